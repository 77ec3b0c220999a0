package mongodb

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"ampra/core/fault"
	"ampra/core/telemetry"
)

// Bounds of one insert beside Config.BatchSize. A command is one document, of at
// most 16 MiB.
const (
	maxInsertBytes = 8 << 20
	maxRowBytes    = 1 << 20
)

// Write stores readings, durable on a majority of the replica set, and answers
// for each. A passing error is a fault Unavailable for every reading that is not
// known to be stored; some of these may be stored all the same, and writing them
// again changes nothing. A reading that the server refuses has an error of its
// own, and the others are stored. They come into hot; see Run for how they get on.
func (a *Archive) Write(ctx context.Context, readings []telemetry.Placed) []error {
	if len(readings) == 0 {
		return nil
	}
	result := &answers{n: len(readings)}
	db, err := a.open()
	if err != nil {
		return result.all(err)
	}
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
	defer cancel()
	select {
	case ins := <-a.inserter:
		defer func() { a.inserter <- ins }()
		ins.begin(db, readings, result)
		ins.run(ctx, a.cfg.BatchSize)
		ins.end()
		return result.errs
	case <-ctx.Done():
		return result.all(unavailable(ctx.Err()))
	}
}

// answers are the errors of a write, nil as long as there is none.
type answers struct {
	n    int
	errs []error
}

func (a *answers) set(i int, err error) {
	if a.errs == nil {
		a.errs = make([]error, a.n)
	}
	a.errs[i] = err
}

func (a *answers) all(err error) []error {
	for i := range a.n {
		a.set(i, err)
	}
	return a.errs
}

// inserter writes batches and keeps its buffers between them.
type inserter struct {
	order   []place
	rows    []byte // the rows of one insert, one after the other
	spans   []span
	command []byte
	// direct numbers the readings that no journal numbered.
	direct int64
	// taken is how often in a row an insert met rows that were there.
	taken int

	// of the write that is under way
	db       *mongo.Database
	into     string // the collection
	readings []telemetry.Placed
	result   *answers
}

// place is where a reading stands in a write.
type place struct {
	source [16]byte
	ms     int64
	index  int
}

// span is a row's bytes, and the readings that are in it.
type span struct {
	from, to int
	of       []place
}

// maxKept is how much of a buffer is kept for the next write.
const maxKept = 4 << 20

func (ins *inserter) begin(db *mongo.Database, readings []telemetry.Placed, result *answers) {
	ins.db, ins.into, ins.readings, ins.result = db, hotCollection, readings, result
	// The offset of readings without a journal says in which order they were
	// written. The clock carries it on over a restart.
	ins.direct = max(ins.direct+1, time.Now().UnixNano())
}

func (ins *inserter) end() {
	ins.db, ins.readings, ins.result = nil, nil, nil
	for _, buffer := range []*[]byte{&ins.rows, &ins.command} {
		if cap(*buffer) > maxKept {
			*buffer = nil
		}
	}
}

// run inserts all readings, sorted by source and time, which is the order of the
// index.
func (ins *inserter) run(ctx context.Context, batch int) {
	ins.order = ins.order[:0]
	for i := range ins.readings {
		r := &ins.readings[i]
		ins.order = append(ins.order, place{r.SourceID, r.Timestamp.UnixMilli(), i})
	}
	slices.SortFunc(ins.order, func(a, b place) int {
		return cmp.Or(bytes.Compare(a.source[:], b.source[:]), cmp.Compare(a.ms, b.ms), cmp.Compare(a.index, b.index))
	})
	for rest := ins.order; len(rest) > 0; {
		n := ins.encode(rest[:min(batch, len(rest))])
		ins.taken = 0
		ins.insert(ctx, ins.spans)
		rest = rest[n:]
	}
}

// encode makes rows of the first places and returns of how many: of all, unless
// they are too large together. Readings of one identity become one row.
func (ins *inserter) encode(order []place) int {
	ins.rows, ins.spans = ins.rows[:0], ins.spans[:0]
	for n := 0; n < len(order); {
		of := together(order[n:])
		r := ins.reading(of)
		from := len(ins.rows)
		ins.rows = appendHotRow(ins.rows, &r)
		size := len(ins.rows) - from
		switch {
		case size > maxRowBytes:
			ins.rows = ins.rows[:from]
			ins.answer(of, fault.New(fault.TooLarge, "The reading takes %d bytes, %d are the most.", size, maxRowBytes))
		case from > 0 && len(ins.rows) > maxInsertBytes:
			ins.rows = ins.rows[:from]
			return n
		default:
			ins.spans = append(ins.spans, span{from, len(ins.rows), of})
		}
		n += len(of)
	}
	return len(order)
}

// together are the first places, as long as they have one identity.
func together(order []place) []place {
	n := 1
	for n < len(order) && order[n].source == order[0].source && order[n].ms == order[0].ms {
		n++
	}
	return order[:n]
}

// reading is what the readings of one identity are together.
func (ins *inserter) reading(of []place) telemetry.Placed {
	placed := func(p place) telemetry.Placed {
		r := ins.readings[p.index]
		if r.Position.Partition == telemetry.Direct {
			r.Position.Offset, r.Position.Index = ins.direct, int32(p.index) //nolint:gosec // a write is far smaller
		}
		return r
	}
	if len(of) == 1 {
		return placed(of[0])
	}
	rows := make([]telemetry.Placed, len(of))
	for i, p := range of {
		rows[i] = placed(p)
	}
	return merge(rows)
}

// answer notes an error for readings.
func (ins *inserter) answer(of []place, err error) {
	for _, p := range of {
		ins.result.set(p.index, err)
	}
}

// insert writes rows and notes the errors. First in order, which costs the
// server half of the other; once a row was refused, those after it without.
func (ins *inserter) insert(ctx context.Context, rows []span) {
	err := ins.send(ctx, rows, true)
	refused, isWrite := errors.AsType[mongo.WriteException](err)
	switch {
	case err == nil:
	case !isWrite && ofDocument(err) && len(rows) > 1:
		// The command as a whole was refused for what is in it: find out for which.
		half := len(rows) / 2
		ins.insert(ctx, rows[:half])
		ins.insert(ctx, rows[half:])
	case !isWrite && ofDocument(err):
		ins.answer(rows[0].of, err)
	case !isWrite:
		ins.fail(rows, err)
	default:
		ins.refuse(ctx, rows, refused)
	}
}

// refuse deals with an ordered insert that came to a row's error.
func (ins *inserter) refuse(ctx context.Context, rows []span, refused mongo.WriteException) {
	if len(refused.WriteErrors) == 0 {
		ins.fail(rows, refused) // written, but not known to be durable
		return
	}
	first := refused.WriteErrors[0]
	if refused.WriteConcernError != nil {
		ins.fail(rows[:first.Index], *refused.WriteConcernError)
	}
	if passing(first) {
		ins.fail(rows[first.Index:], first)
		return
	}
	if first.Code == codeDuplicateKey {
		ins.again(ctx, rows[first.Index:])
		return
	}
	own := []mongo.WriteError{first}
	rest := rows[first.Index+1:]
	for _, e := range ins.sendRest(ctx, rest) {
		e.Index += first.Index + 1
		own = append(own, e)
	}
	for _, e := range own {
		// Only what is known to be the row's own fault is for good: an error that
		// nobody knows may be the server's, and then a reading would be lost to it.
		if ofDocument(e) {
			ins.answer(rows[e.Index].of, e)
		} else {
			ins.answer(rows[e.Index].of, unavailable(e))
		}
	}
}

// sendRest inserts without order. It returns the rows' own errors.
func (ins *inserter) sendRest(ctx context.Context, rows []span) []mongo.WriteError {
	err := ins.send(ctx, rows, false)
	if err == nil {
		return nil
	}
	refused, isWrite := errors.AsType[mongo.WriteException](err)
	if !isWrite {
		ins.fail(rows, err)
		return nil
	}
	if refused.WriteConcernError != nil {
		ins.fail(rows, *refused.WriteConcernError)
	}
	return refused.WriteErrors
}

// fail notes that rows are not known to be stored, through no fault of theirs.
func (ins *inserter) fail(rows []span, err error) {
	failure := unavailable(err)
	for _, row := range rows {
		ins.answer(row.of, failure)
	}
}

// send runs one insert command, written by hand for what appendRow says.
func (ins *inserter) send(ctx context.Context, rows []span, ordered bool) error {
	if len(rows) == 0 {
		return nil
	}
	b, at := startDocument(ins.command[:0])
	b = appendText(appendHeader(b, bson.TypeString, "insert"), ins.into)
	b = appendHeader(b, bson.TypeBoolean, "ordered")
	if ordered {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	b, concern := startDocument(appendHeader(b, bson.TypeEmbeddedDocument, "writeConcern"))
	b = appendText(appendHeader(b, bson.TypeString, "w"), "majority")
	b = append(appendHeader(b, bson.TypeBoolean, "j"), 1)
	if deadline, ok := ctx.Deadline(); ok {
		// The server, too, gives up waiting for its majority.
		wait := max(time.Until(deadline).Milliseconds(), 1)
		b = binary.LittleEndian.AppendUint32(appendHeader(b, bson.TypeInt32, "wtimeout"), uint32(min(wait, 1<<30)))
	}
	b = endDocument(b, concern)
	b, documents := startDocument(appendHeader(b, bson.TypeArray, "documents"))
	for i, row := range rows {
		b = append(appendIndex(b, bson.TypeEmbeddedDocument, i), ins.rows[row.from:row.to]...)
	}
	b = endDocument(b, documents)
	b = endDocument(b, at)
	ins.command = b
	return ins.db.RunCommand(ctx, bson.Raw(b)).Err()
}
