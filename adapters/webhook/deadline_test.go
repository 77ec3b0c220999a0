package webhook

import (
	"context"
	"testing"
	"time"
)

func TestRequestsOfOneStepShareAContextThatLeavesEachItsTime(t *testing.T) {
	t.Parallel()
	var d deadlines
	const limit = 20 * time.Second
	begin := time.Now()
	contexts := map[context.Context]bool{}
	for after := time.Duration(0); after < 10*step; after += step / 10 {
		ctx := d.context(t.Context(), begin.Add(after), limit)
		contexts[ctx] = true
		until, ok := ctx.Deadline()
		if left := until.Sub(begin.Add(after)); !ok || left < limit || left > limit+step {
			t.Errorf("a request after %s has %s", after, left)
		}
	}
	if len(contexts) > 11 {
		t.Errorf("%d contexts for 10 steps", len(contexts))
	}
	parent, end := context.WithCancel(t.Context())
	ctx := d.context(parent, begin.Add(10*step), limit)
	end()
	if ctx.Err() == nil {
		t.Error("the context outlives its parent")
	}
}
