package mqtt

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

// BenchmarkFillingABroker is what it takes until an empty broker knows all sources:
// 500, or AMPRA_BENCH_SOURCES.
func BenchmarkFillingABroker(b *testing.B) {
	sources := 500
	if text := os.Getenv("AMPRA_BENCH_SOURCES"); text != "" {
		sources, _ = strconv.Atoi(text)
	}
	b.Run(fmt.Sprintf("%d sources", sources), func(b *testing.B) {
		for range b.N {
			g := newGuarded(b, sources)
			k := g.keeperAt(g.url)
			k.cfg.Batch = 500
			began := time.Now()
			stop := g.run(k)
			for k.Stats().Compared == 0 {
				<-time.After(10 * time.Millisecond)
			}
			b.ReportMetric(float64(time.Since(began).Milliseconds())/float64(sources), "ms/source")
			stop()

			k = g.keeperAt(g.url)
			k.cfg.Batch = 500
			began = time.Now()
			stop = g.run(k)
			for k.Stats().Compared == 0 {
				<-time.After(time.Millisecond)
			}
			b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms/comparison")
			stop()
		}
	})
}
