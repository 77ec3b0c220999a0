package httpapi

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/swaggest/jsonschema-go"

	"ampra/core/device"
	"ampra/core/energy"
	"ampra/core/sunsource"
	"ampra/core/telemetry"
	"ampra/modules/devices"
	"ampra/modules/telemetry/rollup"
)

// SunSourceStateDto is a sun source with the state of its device, where that was
// asked for.
type SunSourceStateDto struct {
	SunSourceDto

	State      string   `json:"state" enum:"offline,late,unknown,asleep,online" description:"only with include=state, as the two that follow"`
	StateSince *instant `json:"stateSince"`
	LastSeenAt *instant `json:"lastSeenAt"`
}

// PrepareJSONSchema says that the state is there when it was asked for.
func (SunSourceStateDto) PrepareJSONSchema(s *jsonschema.Schema) error {
	s.Required = slices.DeleteFunc(s.Required, func(name string) bool {
		return name == "state" || name == "stateSince" || name == "lastSeenAt"
	})
	return nil
}

func sunSourceStateDto(s sunsource.SunSource, status device.Status) SunSourceStateDto {
	return SunSourceStateDto{
		SunSourceDto: sunSourceDto(s), State: string(status.State), StateSince: maybeAt(status.Since), LastSeenAt: maybeAt(status.LastSeenAt),
	}
}

// maybeAt is null for the zero time.
func maybeAt(t time.Time) *instant {
	if t.IsZero() {
		return nil
	}
	return at(&t)
}

// DeviceStatusDto is the state of a source's device, with its history.
type DeviceStatusDto struct {
	State         string            `json:"state" enum:"offline,late,unknown,asleep,online"`
	Since         *instant          `json:"since" description:"null for a device that was never heard"`
	LastSeenAt    *instant          `json:"lastSeenAt"`
	RhythmSeconds *float64          `json:"rhythmSeconds" description:"the usual time between its readings, null while too few were heard"`
	Changes       []DeviceChangeDto `json:"changes" description:"newest first"`
	NextCursor    *string           `json:"nextCursor" description:"for the parameter cursor; null at the end"`
}

// DeviceChangeDto is how long a device was in a state.
type DeviceChangeDto struct {
	State string   `json:"state" enum:"offline,late,asleep,online"`
	Since instant  `json:"since"`
	Until *instant `json:"until" description:"null while it lasts"`
}

func (c *call) getDeviceStatus() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	stretch := device.Stretch{
		From: c.timeParam("from"), To: c.timeParam("to"),
		Limit: c.number("limit", devices.DefaultLimit, 1, devices.MaxLimit, "must be between 1 and 1000"),
	}
	if text, sent := c.param("cursor"); sent {
		micro, err := strconv.ParseInt(text, 10, 64)
		if c.wrong.Check(err == nil && micro > 0, "cursor", "must be from an earlier page") {
			stretch.To = time.UnixMicro(micro).UTC()
		}
	}
	if err := c.wrong.Err(); err != nil {
		return err
	}
	found, err := c.s.d.Devices.Status(c.ctx, c.who(), id, stretch)
	if err != nil {
		return err
	}
	dto := DeviceStatusDto{
		State: string(found.State), Since: maybeAt(found.Since), LastSeenAt: maybeAt(found.LastSeenAt), Changes: make([]DeviceChangeDto, len(found.Changes)),
	}
	if rhythm := found.Pulse.Rhythm(); rhythm > 0 {
		dto.RhythmSeconds = new(float64(rhythm.Milliseconds()) / 1000) // a short number
	}
	for i, p := range found.Changes {
		dto.Changes[i] = DeviceChangeDto{string(p.State), instant(p.Since), maybeAt(p.Until)}
	}
	if !found.Next.IsZero() {
		dto.NextCursor = new(strconv.FormatInt(found.Next.UnixMicro(), 10))
	}
	return c.answer(http.StatusOK, dto)
}

// AttemptsDto are the last times that a device knocked in vain.
type AttemptsDto struct {
	Attempts []AttemptDto `json:"attempts" description:"newest first, at most 20"`
}

// AttemptDto is a time that a device knocked and was refused, or sent what could
// not be read.
type AttemptDto struct {
	At        instant `json:"at"`
	Transport string  `json:"transport" enum:"mqtt,webhook"`
	Remote    *string `json:"remote" description:"the address that it came from, null where a broker outside hides it"`
	Reason    string  `json:"reason" enum:"wrongClientId,wrongKey,wrongUserName,wrongTransport,inactive,foreignTopic,badSignature,wrongClock,unreadable,rateLimited"`
	Detail    string  `json:"detail"`
}

func (c *call) listAttempts() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	found, err := c.s.d.Devices.AttemptsOf(c.ctx, c.who(), id)
	if err != nil {
		return err
	}
	dto := AttemptsDto{Attempts: make([]AttemptDto, len(found))}
	for i, a := range found {
		dto.Attempts[i] = AttemptDto{At: instant(a.At), Transport: a.Transport, Reason: a.Reason, Detail: a.Detail}
		if a.Remote != "" {
			dto.Attempts[i].Remote = &a.Remote
		}
	}
	return c.answer(http.StatusOK, dto)
}

// OverviewDto sums up all of one's sources.
type OverviewDto struct {
	At       instant         `json:"at"`
	Sources  int             `json:"sources" description:"how many there are"`
	States   StateCountsDto  `json:"states" description:"how many in each state"`
	Now      PowersNowDto    `json:"now" description:"sums over the sources that are online"`
	TimeZone string          `json:"timeZone" description:"by whose clock today begins"`
	Today    EnergyBucketDto `json:"today"`
	Silent   []SilentDto     `json:"silent" description:"those that are offline or late, offline first, at most 20"`
}

// StateCountsDto is how many sources there are in each state.
type StateCountsDto struct {
	Offline int `json:"offline"`
	Late    int `json:"late"`
	Unknown int `json:"unknown"`
	Asleep  int `json:"asleep"`
	Online  int `json:"online"`
}

// PowersNowDto are the powers of now.
type PowersNowDto struct {
	SolarPowerWatts   *PowerNowDto `json:"solarPowerWatts"`
	ACPowerWatts      *PowerNowDto `json:"acPowerWatts"`
	GridPowerWatts    *PowerNowDto `json:"gridPowerWatts"`
	LoadPowerWatts    *PowerNowDto `json:"loadPowerWatts"`
	BatteryPowerWatts *PowerNowDto `json:"batteryPowerWatts"`
}

// PowerNowDto is a power and how many sources it is the sum of.
type PowerNowDto struct {
	Value   float64 `json:"value"`
	Sources int     `json:"sources"`
}

// SilentDto is a source that wants looking after.
type SilentDto struct {
	ID         string   `json:"id" format:"uuid"`
	Name       string   `json:"name"`
	State      string   `json:"state" enum:"offline,late"`
	Since      *instant `json:"since"`
	LastSeenAt *instant `json:"lastSeenAt"`
}

func (c *call) getOverview() error {
	zone, _ := c.param("timeZone")
	if err := c.wrong.Err(); err != nil {
		return err
	}
	found, err := c.s.d.Devices.Overview(c.ctx, c.who())
	if err != nil {
		return err
	}
	today, err := c.s.d.Energies.EnergyOf(c.ctx, c.who(), rollup.Which{}, rollup.Ask{
		From: found.At.Format(time.RFC3339), To: found.At.Add(time.Second).Format(time.RFC3339), Resolution: energy.DayOf, TimeZone: zone,
	})
	if err != nil {
		return err
	}
	dto := OverviewDto{
		At: instant(found.At), Sources: found.Sources, Silent: make([]SilentDto, len(found.Silent)), TimeZone: today.Zone.String(),
		States: StateCountsDto{
			found.States[device.Offline], found.States[device.Late], found.States[device.Unknown],
			found.States[device.Asleep], found.States[device.Online],
		},
	}
	powers := [device.NumPowers]**PowerNowDto{
		telemetry.SolarPowerWatts: &dto.Now.SolarPowerWatts, telemetry.ACPowerWatts: &dto.Now.ACPowerWatts,
		telemetry.GridPowerWatts: &dto.Now.GridPowerWatts, telemetry.LoadPowerWatts: &dto.Now.LoadPowerWatts,
		telemetry.BatteryPowerWatts: &dto.Now.BatteryPowerWatts,
	}
	for f, n := range found.PowerSources {
		if n > 0 {
			*powers[f] = &PowerNowDto{found.Powers[f], n}
		}
	}
	if len(today.Buckets) > 0 {
		dto.Today = energyBucketDto(&today.Buckets[0], today.CapacityWatts)
	}
	for i, l := range found.Silent {
		dto.Silent[i] = SilentDto{l.ID.String(), l.Name, string(l.Status.State), maybeAt(l.Status.Since), maybeAt(l.Status.LastSeenAt)}
	}
	return c.answer(http.StatusOK, dto)
}

// searches reports whether a list is asked for that is more than all sources, or
// those of a group, in the order of their creation.
func (c *call) searches() bool {
	args := c.f.Context().QueryArgs()
	return slices.ContainsFunc([]string{"q", "state", "sort", "include"}, args.Has)
}

// maxSearch is how many characters a search may have.
const maxSearch = 200

func (c *call) searchSunSources() error {
	query := device.Query{PowerGroupID: c.idParam("powerGroupId"), Limit: c.number("limit", 0, 1, maxPage, "must be between 1 and 1000")}
	if text, sent := c.param("q"); sent {
		c.wrong.Check(len([]rune(text)) <= maxSearch, "q", "must have at most 200 characters")
		query.Words = device.Words(text)
	}
	if text, sent := c.param("state"); sent {
		for name := range strings.SplitSeq(text, ",") {
			query.States = append(query.States, device.State(name))
			c.wrong.Check(device.State(name).Valid(), "state", "must be one or several of offline, late, unknown, asleep and online, separated by commas")
		}
	}
	query.Sort, query.Descending = c.sort()
	include := c.include()
	if text, sent := c.param("cursor"); sent {
		place, ok := parsePlace(text, query)
		c.wrong.Check(ok, "cursor", mustBeCursor)
		query.After = &place
	}
	if err := c.wrong.Err(); err != nil {
		return err
	}
	limit := query.Limit
	if limit > 0 {
		query.Limit++ // one more tells whether there is a next page
	}
	found, err := c.s.d.Devices.List(c.ctx, c.who(), query)
	if err != nil {
		return err
	}
	if limit > 0 && len(found) > limit {
		found = found[:limit]
		c.nextPage(placeText(query, query.PlaceOf(found[limit-1])))
	}
	if include {
		list := make([]SunSourceStateDto, len(found))
		for i, l := range found {
			list[i] = sunSourceStateDto(l.SunSource, l.Status)
		}
		return c.answer(http.StatusOK, list)
	}
	list := make([]SunSourceDto, len(found))
	for i, l := range found {
		list[i] = sunSourceDto(l.SunSource)
	}
	return c.answer(http.StatusOK, list)
}

// sort reads the order of a list; a minus before it turns it round.
func (c *call) sort() (device.Sort, bool) {
	text, sent := c.param("sort")
	if !sent {
		return device.ByCreation, false
	}
	name, descending := strings.CutPrefix(text, "-")
	c.wrong.Check(slices.Contains(device.Sorts(), device.Sort(name)), "sort",
		"must be name, createdAt, lastSeenAt, state or capacity, with a minus before it for the other way round")
	return device.Sort(name), descending
}

// include reads whether a source is to be shown with its state.
func (c *call) include() bool {
	text, sent := c.param("include")
	c.wrong.Check(!sent || text == "state", "include", "must be state")
	return sent
}
