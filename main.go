// Command ampra is the whole of Ampra in one binary. Run "ampra --help".
package main

import (
	"os"

	"ampra/bootstrap/cli"
)

// version is set when a release is built.
var version = "dev"

func main() { os.Exit(cli.Main(os.Args[1:], version)) }
