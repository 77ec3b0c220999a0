package httpapi

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/gofiber/fiber/v2"

	"ampra/core/csvimport"
	"ampra/core/fault"
	"ampra/modules/imports"
)

// Bounds of an upload.
const (
	maxFile    = 1 << 30
	maxOptions = 256 << 10
	// framing is what multipart may add around the parts.
	framing = 64 << 10
	// maxRatio is how many times as long an unpacked file may be as the packed one,
	// once it is longer than ratioFrom.
	maxRatio  = 200
	ratioFrom = 16 << 20
)

// upload is what a request brought.
type upload struct {
	file    imports.Spooled
	size    int64
	options csvimport.Options
	// told is a digest of the options and the file.
	told hash.Hash
}

// identity stands for the request's body.
func (u *upload) identity() []byte { return u.told.Sum(nil) }

func (u *upload) close() {
	if u.file != nil {
		_ = u.file.Close()
	}
}

// receive reads the request's parts: the file, which is unpacked into a temporary
// one, and the options. What it returns is to be closed, with an error, too.
func (c *call) receive() (*upload, error) {
	u := &upload{told: sha256.New()}
	if encoding := c.f.Get("Content-Encoding"); encoding != "" {
		return u, fault.New(fault.Unsupported, "A request body must not have a Content-Encoding; the file itself may be packed with gzip.")
	}
	media, params, err := mime.ParseMediaType(c.header("Content-Type"))
	if err != nil || media != "multipart/form-data" || params["boundary"] == "" {
		return u, fault.New(fault.Unsupported, "The body must be multipart/form-data, with the parts file and options.")
	}
	if c.f.Context().Request.Header.ContentLength() > maxFile+maxOptions+framing {
		return u, tooLarge()
	}
	rc := c.f.Context()
	stream := rc.RequestBodyStream()
	if stream == nil {
		return u, fault.New(fault.Invalid, "The request has no body.")
	}
	until, _ := c.ctx.Deadline()
	from := &arriving{rc: rc, from: stream, pause: c.s.cfg.ReadTime, until: until, ended: c.ctx.Err}
	if err := c.parts(u, multipart.NewReader(from, params["boundary"])); err != nil {
		return u, err
	}
	if n, err := io.Copy(io.Discard, io.LimitReader(from, framing)); err == nil && n < framing {
		rc.SetUserValue(keyRead, true)
	}
	if u.file == nil {
		c.wrong.Add("file", "is required")
	}
	if err := c.wrong.With(u.options.Validate()); err != nil {
		return u, err
	}
	return u, nil
}

// parts takes the parts in.
func (c *call) parts(u *upload, parts *multipart.Reader) error {
	seen := map[string]bool{}
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return cutShort(err)
		}
		name := part.FormName()
		if seen[name] {
			c.wrong.Add(name, "must be sent once")
			return c.wrong.Err()
		}
		seen[name] = true
		switch name {
		case "options":
			err = c.options(u, part)
		case "file":
			err = c.spool(u, part)
		default:
			c.wrong.Add(shortened(name), "is not a part of this request: it has file and options")
			err = c.wrong.Err()
		}
		if err != nil {
			return err
		}
	}
}

// cutShort is why a body could not be read to its end.
func cutShort(err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fiber.NewError(http.StatusRequestTimeout)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return err
	}
	return fault.Wrap(fault.Invalid, err, "The body is not valid multipart/form-data, or ends too early.")
}

func tooLarge() error {
	return fault.New(fault.TooLarge, "The file is larger than 1 GiB. Import it in parts, the oldest first.")
}

// options reads the options; what is wrong with them is refused before the file
// is read, where they come first.
func (c *call) options(u *upload, part io.Reader) error {
	raw, err := io.ReadAll(io.LimitReader(part, maxOptions+1))
	switch {
	case err != nil:
		return cutShort(err)
	case len(raw) > maxOptions:
		return fault.New(fault.TooLarge, "The options are larger than 256 KiB.")
	}
	_, _ = u.told.Write(raw)
	_, _ = u.told.Write([]byte{0})
	columns := func(value jsontext.Value) string { return c.columns(&u.options, value) }
	if err := readObject(raw, importFields(&u.options, columns), &c.wrong); err != nil {
		return err
	}
	return c.wrong.With(u.options.Validate())
}

// columns reads what the options say of columns.
func (c *call) columns(o *csvimport.Options, raw jsontext.Value) string {
	if raw.Kind() != '{' {
		return "must be an object"
	}
	o.Columns = map[string]*csvimport.Column{}
	dec := jsontext.NewDecoder(bytes.NewReader(raw), jsontext.AllowDuplicateNames(true))
	if _, err := dec.ReadToken(); err != nil {
		return "must be an object"
	}
	for dec.PeekKind() == '"' {
		token, err := dec.ReadToken()
		if err != nil {
			return "must be an object"
		}
		header := token.String()
		value, err := dec.ReadValue()
		switch _, again := o.Columns[header]; {
		case err != nil:
			return "must be an object"
		case len(o.Columns) > csvimport.MaxColumns:
			return "must be at most 500"
		case again:
			c.wrong.Add("columns."+shortened(header), "stands in the options more than once")
		case value.Kind() == 'n':
			o.Columns[header] = nil
		case value.Kind() != '{':
			c.wrong.Add("columns."+shortened(header), "must be an object or null")
		default:
			column := &csvimport.Column{}
			var wrong fault.Fields
			if err := readObject(value, columnFields(column), &wrong); err != nil {
				return "must be an object of objects"
			}
			c.wrong.Merge(wrong.Below("columns." + shortened(header)))
			o.Columns[header] = column
		}
	}
	return ""
}

// spool brings a file to disk, unpacked.
func (c *call) spool(u *upload, part io.Reader) error {
	packed := &counted{from: part}
	plain := bufio.NewReaderSize(packed, 64<<10)
	var from io.Reader = plain
	zipped := false
	if mark, err := plain.Peek(2); err == nil && mark[0] == 0x1f && mark[1] == 0x8b {
		unpacking, err := gzip.NewReader(plain)
		if err != nil {
			return broken(err)
		}
		from, zipped = unpacking, true
	}
	file, err := c.s.d.Spool()
	if err != nil {
		return err
	}
	u.file = file
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		u.size += int64(n)
		if u.size > maxFile || packed.n > maxFile {
			return tooLarge()
		}
		if zipped && u.size > ratioFrom && u.size > maxRatio*packed.n {
			return fault.New(fault.TooLarge, "The file is more than %d times as large unpacked: send it as it is.", maxRatio)
		}
		if c.header(keyHeader) != "" {
			_, _ = u.told.Write(buffer[:n])
		}
		if _, failed := file.Write(buffer[:n]); failed != nil {
			return fault.Wrap(fault.Unavailable, failed, "The file can't be kept on disk now.")
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && zipped:
			return broken(err)
		case err != nil:
			return cutShort(err)
		}
	}
}

// broken is why a packed file could not be unpacked.
func broken(err error) error {
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, io.ErrUnexpectedEOF) {
		var wrong fault.Fields
		wrong.Add("file", "is packed with gzip and can't be unpacked: "+err.Error())
		return wrong.Err()
	}
	return cutShort(err)
}

// counted counts what is read.
type counted struct {
	from io.Reader
	n    int64
}

// Read reads on.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += int64(n)
	return n, err
}
