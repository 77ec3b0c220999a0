package ingest

import (
	"sync"

	"ampra/core/payload"
	"ampra/core/telemetry"
)

// decoders keep the memory in which payloads are read: on the stack of each
// session it would make that four times as large.
type decoders struct{ pool sync.Pool }

func (d *decoders) decode(data []byte, in telemetry.Intake) (telemetry.Report, error) {
	one := d.get()
	defer d.pool.Put(one)
	return one.Decode(data, in)
}

func (d *decoders) topics(values []payload.Value, in telemetry.Intake) telemetry.Report {
	one := d.get()
	defer d.pool.Put(one)
	return one.DecodeTopics(values, in)
}

func (d *decoders) get() *telemetry.Decoder {
	if one, ok := d.pool.Get().(*telemetry.Decoder); ok {
		return one
	}
	return &telemetry.Decoder{}
}
