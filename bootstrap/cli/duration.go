package cli

import (
	"fmt"
	"reflect"
	"time"

	"github.com/alecthomas/kong"

	"ampra/bootstrap"
)

// durations reads settings that are durations, with days, from the command line,
// the environment and the file alike.
func durations() kong.Option {
	return kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
		token, err := ctx.Scan.PopValue("duration")
		if err != nil {
			return err
		}
		text := fmt.Sprint(token.Value)
		d, err := bootstrap.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%w but got %q", err, text) // kong says of which setting
		}
		target.SetInt(int64(d))
		return nil
	}))
}
