package httpapi

import (
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"io"
	"io/fs"
	"mime"
	"path"
	"strings"

	"github.com/swaggest/swgui/v5/static"

	"ampra/core/fault"
)

// pages holds the page that shows the document; the rest of it is Swagger UI's.
//
//go:embed page
var pages embed.FS

// docsPolicy lets the page load its own files and call the API, nothing else. Its
// styles are partly written by its script.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

func (c *call) docsPage() error { return c.ownFile("index.html") }

// ownFile sends a file of ours, from pages.
func (c *call) ownFile(name string) error {
	content, err := pages.ReadFile("page/" + name)
	if err != nil {
		return fault.New(fault.NotFound, "There is no such file.")
	}
	return c.file(name, content)
}

func (c *call) file(name string, content []byte) error {
	media := mime.TypeByExtension(path.Ext(name))
	switch path.Ext(name) { // whatever this machine's tables say
	case ".js":
		media = "text/javascript; charset=utf-8"
	case ".css":
		media = "text/css; charset=utf-8"
	case ".html":
		media = "text/html; charset=utf-8"
	case ".png":
		media = "image/png"
	}
	c.f.Set("Content-Security-Policy", docsPolicy)
	c.f.Set("Cache-Control", "no-cache")
	c.f.Context().SetContentType(media)
	return c.f.Send(content)
}

// docsFile sends a file of the page, packed where the client takes that: most of
// them are kept packed.
func (c *call) docsFile() error {
	name := strings.Clone(c.f.Params("file"))
	if path.Base(name) != name {
		return fault.New(fault.NotFound, "There is no such file.")
	}
	packed, err := static.FS.ReadFile(name + ".gz")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c.plainFile(name)
	case err != nil:
		return err
	}
	c.f.Set("Vary", "Accept-Encoding")
	if strings.Contains(c.header("Accept-Encoding"), "gzip") {
		c.f.Set("Content-Encoding", "gzip")
		return c.file(name, packed)
	}
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	content, err := io.ReadAll(reader)
	if err != nil {
		return err
	}
	return c.file(name, content)
}

func (c *call) plainFile(name string) error {
	content, err := static.FS.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) || strings.HasSuffix(name, ".gz") {
		return c.ownFile(name)
	}
	if err != nil {
		return err
	}
	return c.file(name, content)
}
