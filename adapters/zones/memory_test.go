package zones

import (
	"runtime"
	"testing"
)

func TestTheIndexStaysSmall(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	zones := New()
	zones.At(49.34, 11.96)
	used := heap() - before
	runtime.KeepAlive(zones)
	t.Logf("%.1f MB", float64(used)/1e6)
	if used > 8e6 {
		t.Errorf("it holds %d bytes", used)
	}
}
