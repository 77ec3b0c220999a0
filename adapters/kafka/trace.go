package kafka

import "github.com/segmentio/kafka-go/protocol"

// traceHeader is the name that W3C Trace Context gives it.
const traceHeader = "traceparent"

// maxTrace bounds what is taken from a header: a traceparent has 55 bytes.
const maxTrace = 128

func traceHeaders(trace string) []protocol.Header {
	if trace == "" {
		return nil
	}
	return []protocol.Header{{Key: traceHeader, Value: []byte(trace)}}
}

// traceOf finds the trace among a record's headers, "" if there is none.
func traceOf(headers []protocol.Header) string {
	for _, h := range headers {
		if h.Key == traceHeader && len(h.Value) <= maxTrace {
			return string(h.Value)
		}
	}
	return ""
}
