package httpapi

import (
	"net/http"
	"slices"

	"github.com/google/uuid"

	"ampra/core/fault"
	"ampra/core/powergroup"
	"ampra/modules/powergroups"
)

// PowerGroupDto is a power group in answers.
type PowerGroupDto struct {
	ID             uuid.UUID `json:"id" format:"uuid"`
	Name           string    `json:"name"`
	Description    *string   `json:"description"`
	LogoURL        *string   `json:"logoUrl"`
	CreatedAt      instant   `json:"createdAt"`
	UpdatedAt      instant   `json:"updatedAt"`
	SunSourceCount int       `json:"sunSourceCount" minimum:"0"`
}

func powerGroupDto(g powergroup.PowerGroup) PowerGroupDto {
	return PowerGroupDto{
		ID: g.ID, Name: g.Name, Description: g.Description, LogoURL: g.LogoURL,
		CreatedAt: instant(g.CreatedAt), UpdatedAt: instant(g.UpdatedAt), SunSourceCount: g.SunSourceCount,
	}
}

// Bounds of a page of a list that is a bare array.
const maxPage = 1000

// page reads which part of a list is asked for. limit is 0 for all of it, after
// uuid.Nil for its beginning.
func (c *call) page() (limit int, after uuid.UUID) {
	limit = c.number("limit", 0, 1, maxPage, "must be between 1 and 1000")
	text, sent := c.param("cursor")
	if !sent {
		return limit, uuid.Nil
	}
	after, ok := parseID(text)
	c.wrong.Check(ok && after != uuid.Nil, "cursor", mustBeCursor)
	return limit, after
}

const mustBeCursor = "must be from the Link header of an earlier page"

// onePage cuts the page that is asked for out of a whole list, and names the next.
func onePage[T any](c *call, all []T, limit int, after uuid.UUID, idOf func(T) uuid.UUID) ([]T, error) {
	if after != uuid.Nil {
		last := slices.IndexFunc(all, func(one T) bool { return idOf(one) == after })
		if last < 0 {
			return nil, &fault.Error{Code: fault.Invalid, Message: "The list has no such place.", Fields: map[string][]string{"cursor": {mustBeCursor}}}
		}
		all = all[last+1:]
	}
	if limit > 0 && len(all) > limit {
		all = all[:limit]
		c.nextPage(idOf(all[limit-1]).String())
	}
	return all, nil
}

func (c *call) listPowerGroups() error {
	limit, after := c.page()
	if err := c.wrong.Err(); err != nil {
		return err
	}
	groups, err := c.s.d.Groups.List(c.ctx, c.who())
	if err != nil {
		return err
	}
	if groups, err = onePage(c, groups, limit, after, func(g powergroup.PowerGroup) uuid.UUID { return g.ID }); err != nil {
		return err
	}
	list := make([]PowerGroupDto, len(groups))
	for i, g := range groups {
		list[i] = powerGroupDto(g)
	}
	return c.answer(http.StatusOK, list)
}

func (c *call) getPowerGroup() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	found, err := c.s.d.Groups.Get(c.ctx, c.who(), id)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, powerGroupDto(found))
}

func createPowerGroupFields(d *powergroups.Draft) []field {
	return []field{
		need("name", &d.Name, text().length(1, powergroup.MaxName).like("Home Installation"), "Display name"),
		opt("description", &d.Description, text().length(0, powergroup.MaxDescription), "Description"),
		opt("logoUrl", &d.LogoURL, text().length(0, powergroup.MaxURL), "Logo, an http or https URL"),
	}
}

func (c *call) createPowerGroup() error {
	var draft powergroups.Draft
	if err := c.body(createPowerGroupFields(&draft)...); err != nil {
		return err
	}
	draft.Unreadable = c.wrong
	made, err := c.s.d.Groups.Create(c.ctx, c.who(), draft)
	if err != nil {
		return err
	}
	c.created("/api/powergroups/" + made.ID.String())
	return c.answer(http.StatusCreated, powerGroupDto(made))
}

func updatePowerGroupFields(u *powergroups.Update) []field {
	return []field{
		change("name", &u.Name, text().length(1, powergroup.MaxName), false, "Display name"),
		change("description", &u.Description, text().length(0, powergroup.MaxDescription), true, "Description"),
		change("logoUrl", &u.LogoURL, text().length(0, powergroup.MaxURL), true, "Logo, an http or https URL"),
	}
}

func (c *call) updatePowerGroup() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	var u powergroups.Update
	if err := c.body(updatePowerGroupFields(&u)...); err != nil {
		return err
	}
	u.Unreadable = c.wrong
	updated, err := c.s.d.Groups.Update(c.ctx, c.who(), id, u)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, powerGroupDto(updated))
}

func (c *call) deletePowerGroup() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	if err := c.s.d.Groups.Delete(c.ctx, c.who(), id); err != nil {
		return err
	}
	return c.nothing()
}
