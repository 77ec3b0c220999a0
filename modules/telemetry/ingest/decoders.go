package ingest

import (
	"sync"

	"ampra/core/telemetry"
)

// decoders keep the memory in which payloads are read: on the stack of each
// session it would make that four times as large.
type decoders struct{ pool sync.Pool }

func (d *decoders) decode(data []byte, in telemetry.Intake) (telemetry.Report, error) {
	one, ok := d.pool.Get().(*telemetry.Decoder)
	if !ok {
		one = &telemetry.Decoder{}
	}
	defer d.pool.Put(one)
	return one.Decode(data, in)
}
