package sqldb

import "time"

// Age is how long ago the feed last asked for changes and got an answer, or was
// made: more than its poll means that the database is away or slow.
func (f *Feed) Age() time.Duration { return time.Since(time.Unix(0, f.looked.Load())) }

// Position is the number of the last change that this process has applied.
func (f *Feed) Position() int64 { return f.position() }
