package httpapi

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"ampra/core/tariff"
	"ampra/modules/tariffs"
)

// PriceDto is an entry of a source's price history in answers.
type PriceDto struct {
	ID                uuid.UUID `json:"id" format:"uuid"`
	PricePerKwh       money     `json:"pricePerKwh" description:"per kilowatt-hour, in the source's currency"`
	FeedInPricePerKwh *money    `json:"feedInPricePerKwh" description:"what a kilowatt-hour earns that is exported; null where unknown"`
	EffectiveFrom     instant   `json:"effectiveFrom" description:"it holds from then until the next one does"`
}

func priceDto(p tariff.Price) PriceDto {
	return PriceDto{
		ID: p.ID, PricePerKwh: money(p.PricePerKwh), FeedInPricePerKwh: cash(p.FeedInPricePerKwh), EffectiveFrom: instant(p.EffectiveFrom),
	}
}

func (c *call) listPrices() error {
	source, err := c.pathID("sourceId")
	if err != nil {
		return err
	}
	limit, after := c.page()
	if err := c.wrong.Err(); err != nil {
		return err
	}
	prices, err := c.s.d.Tariffs.List(c.ctx, c.who(), source)
	if err != nil {
		return err
	}
	if prices, err = onePage(c, prices, limit, after, func(p tariff.Price) uuid.UUID { return p.ID }); err != nil {
		return err
	}
	list := make([]PriceDto, len(prices))
	for i, p := range prices {
		list[i] = priceDto(p)
	}
	return c.answer(http.StatusOK, list)
}

func createPriceFields(d *tariffs.Draft) []field {
	return []field{
		need("pricePerKwh", &d.PricePerKwh, amount().like(0.32), "What a kilowatt-hour from the grid costs, in the source's currency"),
		opt("feedInPricePerKwh", &d.FeedInPricePerKwh, amount().like(0.082), "What a kilowatt-hour earns that is exported"),
		need("effectiveFrom", &d.EffectiveFrom, moment().like("2026-01-01T00:00:00+01:00"), "From when on it holds, until the next one does"),
	}
}

func (c *call) createPrice() error {
	source, err := c.pathID("sourceId")
	if err != nil {
		return err
	}
	var draft tariffs.Draft
	if err := c.body(createPriceFields(&draft)...); err != nil {
		return err
	}
	draft.Unreadable = c.wrong
	made, err := c.s.d.Tariffs.Add(c.ctx, c.who(), source, draft)
	if err != nil {
		return err
	}
	c.created("/api/roi/prices/" + made.ID.String())
	return c.answer(http.StatusCreated, priceDto(made))
}

func updatePriceFields(u *tariffs.Update) []field {
	return []field{
		change("pricePerKwh", &u.PricePerKwh, amount(), false, "What a kilowatt-hour from the grid costs"),
		change("feedInPricePerKwh", &u.FeedInPricePerKwh, amount(), true, "What a kilowatt-hour earns that is exported"),
		change("effectiveFrom", &u.EffectiveFrom, moment(), false, "From when on it holds"),
	}
}

func (c *call) updatePrice() error {
	id, err := c.pathID("priceId")
	if err != nil {
		return err
	}
	var u tariffs.Update
	if err := c.body(updatePriceFields(&u)...); err != nil {
		return err
	}
	u.Unreadable = c.wrong
	updated, err := c.s.d.Tariffs.Update(c.ctx, c.who(), id, u)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, priceDto(updated))
}

func (c *call) deletePrice() error {
	id, err := c.pathID("priceId")
	if err != nil {
		return err
	}
	if err := c.s.d.Tariffs.Delete(c.ctx, c.who(), id); err != nil {
		return err
	}
	return c.nothing()
}

// WorthDto is energy and what it was worth.
type WorthDto struct {
	ProductionKwh *kwh   `json:"productionKwh" description:"null where nothing is known"`
	OwnUseKwh     *kwh   `json:"ownUseKwh" description:"what of the production was not exported"`
	ExportKwh     *kwh   `json:"exportKwh"`
	Savings       *money `json:"savings" description:"own use at the price of its time; null where nothing is known"`
	FeedInIncome  *money `json:"feedInIncome" description:"export at the feed-in price of its time; null where nothing is known"`
	Maintenance   money  `json:"maintenance" description:"the yearly cost, spread over the days since the installation"`
	Net           money  `json:"net" description:"what is known of savings and income, less maintenance"`
}

func worthDto(s tariff.Sums) WorthDto {
	return WorthDto{
		ProductionKwh: known(s.Production), OwnUseKwh: known(s.OwnUse), ExportKwh: known(s.Export),
		Savings: cash(s.Savings), FeedInIncome: cash(s.FeedInIncome), Maintenance: money(s.Maintenance), Net: money(s.Net),
	}
}

// known is an energy, nil where it is not known.
func known(q tariff.Quantity) *kwh {
	if !q.Known {
		return nil
	}
	return new(kwh(q.MilliWattHours))
}

// ReturnMonthDto is a calendar month of the site.
type ReturnMonthDto struct {
	Month string `json:"month" pattern:"^[0-9]{4}-[0-9]{2}$"`
	WorthDto
}

// ReturnDto is what a source's energy has been worth.
type ReturnDto struct {
	SourceID uuid.UUID `json:"sourceId" format:"uuid"`
	Currency string    `json:"currency"`
	TimeZone string    `json:"timeZone" description:"where months and days begin"`
	From     instant   `json:"from"`
	To       instant   `json:"to"`
	WorthDto
	SystemCost           *money           `json:"systemCost"`
	ReturnPercent        *money           `json:"returnPercent" description:"how much of the system's cost has been earned since the installation"`
	ReturnPercentPerYear *money           `json:"returnPercentPerYear" description:"what the last twelve whole months earned of it; null where that can't be told"`
	PaybackState         string           `json:"paybackState" enum:"reached,projected,unknown"`
	PaybackDate          *string          `json:"paybackDate" format:"date" description:"the first day of the month in which the cost is earned"`
	PaybackReason        *string          `json:"paybackReason" enum:"noSystemCost,noProduction,noPrices,lessThanAYear,gapsInLastYear,noGain,beyondHundredYears" description:"why the state is unknown"`
	Assumptions          []string         `json:"assumptions" description:"allProductionUsed, ownUseFromConsumption, batteryInOwnUse"`
	Notes                []string         `json:"notes" description:"noPrices, beforeFirstPrice, noFeedInPrice, exportUnknown, priceChangedWithinHour, noInstallationDate, dataAfterInstallation, noProduction, pending"`
	Months               []ReturnMonthDto `json:"months"`
}

func returnDto(e tariffs.Earnings) ReturnDto {
	p, r := e.Payback, e.Return
	dto := ReturnDto{
		SourceID: e.Source.ID, Currency: e.Source.Currency, TimeZone: e.Zone.String(), From: instant(r.From), To: instant(r.Until),
		WorthDto: worthDto(r.Sums), SystemCost: cash(e.Source.SystemCost),
		ReturnPercent: cash(p.Percent), ReturnPercentPerYear: cash(p.PercentPerYear), PaybackState: string(p.State),
		Assumptions: codes(r.Assumptions), Notes: codes(r.Notes), Months: make([]ReturnMonthDto, len(r.Months)),
	}
	if !p.Month.IsZero() {
		dto.PaybackDate = new(p.Month.Format(time.DateOnly))
	}
	if p.Reason != "" {
		dto.PaybackReason = new(string(p.Reason))
	}
	for i, m := range r.Months {
		dto.Months[i] = ReturnMonthDto{Month: m.Start.Format("2006-01"), WorthDto: worthDto(m.Sums)}
	}
	return dto
}

func codes(list []tariff.Code) []string {
	texts := make([]string, len(list))
	for i, code := range list {
		texts[i] = string(code)
	}
	return texts
}

func (c *call) getReturn() error {
	source, err := c.pathID("sourceId")
	if err != nil {
		return err
	}
	var ask tariffs.Ask
	ask.From, _ = c.param("from")
	ask.To, _ = c.param("to")
	ask.Unreadable = c.wrong
	earned, err := c.s.d.Tariffs.Return(c.ctx, c.who(), source, ask)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, returnDto(earned))
}

const takenPrice = "The source has a price from this moment on already"

func docListPrices() operation {
	return operation{
		id: "listPrices", summary: "List prices", about: "The earliest first. A price holds until the next one does.",
		params: paramsPage(), answers: []answer{{status: http.StatusOK, dto: []PriceDto{}, headers: linkHeader()}},
	}
}

func docCreatePrice() operation {
	return operation{
		id: "createPrice", summary: "Add a price", about: "From a moment on, past or to come. A source has at most 1,000.",
		body: createPriceFields(&tariffs.Draft{}), answers: []answer{{status: http.StatusCreated, dto: PriceDto{}, headers: location()}},
		refusals: map[int]string{409: takenPrice + ", or 1,000 prices, or the first request with the Idempotency-Key is still under way."},
	}
}

func docUpdatePrice() operation {
	return operation{
		id: "updatePrice", summary: "Change a price", about: "Changes the fields that are sent. null clears a field that can be null.",
		body: updatePriceFields(&tariffs.Update{}), answers: ok(PriceDto{}), refusals: map[int]string{409: takenPrice + "."},
	}
}

func docDeletePrice() operation {
	return operation{
		id: "deletePrice", summary: "Delete a price", about: "The price before it holds on, if there is one.",
		answers: []answer{{status: http.StatusNoContent}},
	}
}

func docGetReturn() operation {
	day := schema{"type": "string", "examples": []any{"2026-06-01"}}
	return operation{
		id: "getReturn", summary: "Get what a source has earned",
		about: "Savings, feed-in income and maintenance, month by month, in exact decimals. returnPercent and the payback are of all the time since the installation, " +
			"whatever part is asked for. assumptions and notes name what stands for something unmeasured and what is missing.",
		params: []param{
			inQuery("from", day, "A date, or a time, in the site's zone; the installation when absent. Its day counts whole."),
			inQuery("to", day, "The end, not included; now when absent."),
		},
		answers: ok(ReturnDto{}),
	}
}
