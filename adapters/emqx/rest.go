package emqx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"ampra/core/credential"
)

// maxAnswer bounds an answer of the REST API: a page of clients has a few MB.
const maxAnswer = 64 << 20

// rest is EMQX's REST API.
type rest struct {
	base   string
	key    string
	secret credential.Secret
	client *http.Client
}

// newREST takes the URL apart. Its errors show nothing of it: it holds a secret.
func newREST(from credential.Secret, limit time.Duration) (*rest, error) {
	u, err := url.Parse(from.Reveal())
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User == nil {
		return nil, errors.New("a URL such as http://key:secret@host:18083, with an API key of EMQX")
	}
	secret, _ := u.User.Password()
	r := &rest{key: u.User.Username(), secret: credential.NewSecret(secret)}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	r.base = strings.TrimSuffix(strings.TrimRight(u.String(), "/"), "/api/v5") + "/api/v5"
	r.client = &http.Client{Timeout: limit, Transport: &http.Transport{
		MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute, Proxy: http.ProxyFromEnvironment,
	}}
	return r, nil
}

func (r *rest) close() { r.client.CloseIdleConnections() }

// answered is an answer that was not asked for.
type answered struct {
	method, path string
	status       int
	code         string
}

// Error names the request and EMQX's words.
func (a *answered) Error() string {
	text := fmt.Sprintf("EMQX answers %s %s with %d", a.method, a.path, a.status)
	if a.code != "" {
		text += " " + a.code
	}
	if a.status == http.StatusUnauthorized {
		text += ": is the API key right?"
	}
	return text
}

// do sends a request, and reads the answer into to unless that is nil. It reports
// false for 404. path is already escaped.
func (r *rest) do(ctx context.Context, method, path string, to any) (found bool, err error) {
	request, err := http.NewRequestWithContext(ctx, method, r.base+path, http.NoBody)
	if err != nil {
		return false, err
	}
	request.SetBasicAuth(r.key, r.secret.Reveal())
	request.Header.Set("Accept", "application/json")
	response, err := r.client.Do(request)
	if err != nil {
		return false, fmt.Errorf("asking EMQX: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch {
	case response.StatusCode == http.StatusNotFound:
		return false, nil
	case response.StatusCode < 200 || response.StatusCode > 299:
		return false, &answered{method, path, response.StatusCode, codeOf(body)}
	case err != nil:
		return false, fmt.Errorf("reading EMQX's answer: %w", err)
	case to == nil:
		return true, nil
	}
	if err := json.Unmarshal(body, to, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)); err != nil {
		return false, fmt.Errorf("reading EMQX's answer to %s: %w", path, err)
	}
	return true, nil
}

// codeOf is the code of an error, such as API_KEY_NOT_ALLOW.
func codeOf(body []byte) string {
	var e struct {
		Code string `json:"code"`
	}
	if json.Unmarshal(body, &e) != nil || len(e.Code) > 64 {
		return ""
	}
	return e.Code
}

// forget makes EMQX forget whom it let in before. A version without such a cache
// knows no such path.
func (r *rest) forget(ctx context.Context) error {
	_, err := r.do(ctx, http.MethodPost, "/authentication/node_cache/reset", nil)
	return err
}

// kick ends a client's session, and reports whether there was one.
func (r *rest) kick(ctx context.Context, clientID string) (bool, error) {
	return r.do(ctx, http.MethodDelete, "/clients/"+url.PathEscape(clientID), nil)
}

// seen is a client as EMQX shows it. Versions before 5.8 show no attributes.
type seen struct {
	ClientID   string            `json:"clientid"`
	Attributes map[string]string `json:"client_attrs"`
}

func (r *rest) lookUp(ctx context.Context, clientID string) (seen, bool, error) {
	var s seen
	found, err := r.do(ctx, http.MethodGet, "/clients/"+url.PathEscape(clientID), &s)
	return s, found, err
}

// list returns one page of the connected clients whose id has the text in it,
// pages counted from 1, and whether there may be more.
func (r *rest) list(ctx context.Context, like string, page, limit int) (clients []seen, more bool, err error) {
	var answer struct {
		Data []seen `json:"data"`
	}
	query := url.Values{
		"like_clientid": {like}, "conn_state": {"connected"}, "page": {strconv.Itoa(page)}, "limit": {strconv.Itoa(limit)},
	}
	if _, err := r.do(ctx, http.MethodGet, "/clients?"+query.Encode(), &answer); err != nil {
		return nil, false, err
	}
	return answer.Data, len(answer.Data) >= limit, nil
}
