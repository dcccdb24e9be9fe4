package manifest

import (
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sliphost/sliphost/host/cron"
)

func checkCron(text string) *problem {
	if _, err := cron.Parse(text); err != nil {
		return &problem{CodeCron, "are not times of a timer: " + err.Error(), `write "MINUTE HOUR DAY MONTH WEEKDAY", such as "*/5 * * * *" for every five minutes`}
	}
	return nil
}

func checkZone(text string) *problem {
	if _, err := time.LoadLocation(text); err != nil || text == "Local" || text == "" {
		return &problem{CodeZone, "is not a time zone", `write a name of the IANA database, such as "Europe/Berlin", or "UTC"`}
	}
	return nil
}

func checkURL(text string) *problem {
	const hint = `write "https://host/path"`
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return &problem{CodeURL, "is not an address to post to", hint}
	case u.User != nil:
		return &problem{CodeURL, "has a password in the address", "write [webhook.ID] with the header Authorization and a ${file:...}"}
	case u.Fragment != "":
		return &problem{CodeURL, "has a fragment, which is never sent", hint}
	}
	return nil
}

func checkListen(text string) *problem {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return &problem{CodeAddress, "is not an address", `write "127.0.0.1:8080"`}
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return &problem{CodeAddress, "has a port that is not between 0 and 65535", `write "127.0.0.1:8080"`}
	}
	return nil
}

// Loopback says that nothing but this machine can reach the server.
func (h *HTTPServer) Loopback() bool {
	host, _, err := net.SplitHostPort(h.Listen)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// timerEndpoint reads what follows "timer:".
func (d *decoder) timerEndpoint(e *Endpoint, arg string, has bool) *problem {
	e.Kind = EndpointTimer
	if expr, ok := strings.CutPrefix(arg, "cron:"); ok {
		e.Timer = &Timer{Cron: expr, Zone: "UTC", Missed: MissedOnce}
		return checkCron(expr)
	}
	for i := range d.m.Timers {
		if has && d.m.Timers[i].ID == arg {
			e.Timer = &d.m.Timers[i]
			e.Interval = e.Timer.Every
			return nil
		}
	}
	every, p := timerInterval(arg, has)
	if p != nil && has && checkID(arg) == nil {
		p.hint += `; or name a [timer.ID]`
	}
	e.Interval = every
	e.Timer = &Timer{Every: every, Zone: "UTC", Missed: MissedOnce}
	return p
}

// fileEndpoint reads what follows "file:".
func (d *decoder) fileEndpoint(e *Endpoint, arg string, s side) *problem {
	e.Kind = EndpointFile
	if arg == "" {
		return &problem{CodeEndpoint, "names no file", `write "file:records.ndjson"`}
	}
	e.File = &File{Path: arg, Follow: true}
	for i := range d.m.Files {
		if d.m.Files[i].ID == arg {
			e.File = &d.m.Files[i]
		}
	}
	e.Path = e.File.Path
	if !filepath.IsAbs(e.Path) {
		e.Path = filepath.Join(d.m.Dir, e.Path)
	}
	if e.Codec = e.File.Codec; e.Codec == CodecNone {
		e.Codec = CodecRaw
		switch ext := filepath.Ext(e.Path); {
		case ext == ".ndjson" || ext == ".jsonl":
			e.Codec = CodecJSON
		case ext == ".csv" && s == asSource:
			e.Codec = CodecCSV
		}
	}
	switch {
	case s == asSink && e.Codec == CodecCSV:
		return &problem{CodeConnector, "cannot be written as csv", `rows have no order of columns that a handler could give; write codec = "json" or "string"`}
	case s == asSource && (e.File.RotateSize > 0 || e.File.RotateEvery > 0):
		return &problem{CodeConnector, "is read, so rotate_size and rotate_every would do nothing", "leave them out; another program's rotation is followed"}
	}
	return nil
}

// httpEndpoint reads "http:/path", "http://host/path" and "https://host/path".
func (d *decoder) httpEndpoint(e *Endpoint, s side) *problem {
	e.bareCodec = true
	if strings.HasPrefix(e.Text, "http://") || strings.HasPrefix(e.Text, "https://") {
		e.Kind, e.Codec = EndpointWebhook, CodecRaw
		e.Webhook = &Webhook{URL: e.Text, Batch: defaultBatch, Timeout: defaultTimeout, GiveUp: defaultGiveUp}
		if s == asSource {
			return &problem{CodeWrongSide, "cannot be a source", `a source is posted to: write "http:/path", and [http] for the address`}
		}
		return checkURL(e.Text)
	}
	e.Kind = EndpointHTTP
	path, form, typed := strings.Cut(strings.TrimPrefix(e.Text, "http:"), ":")
	e.Path, e.Codec = path, CodecRaw
	if s == asSink {
		return &problem{CodeWrongSide, "cannot be a sink", `write "http://host/path"`}
	}
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(e.Text, "https:") || strings.Trim(path, pathRunes) != "" || strings.Contains(path, "//") {
		return &problem{CodeEndpoint, "names no path", `write "http:/orders" or "http:/orders:json": letters, digits, '/', '.', '_', '-' and '~'`}
	}
	if typed {
		switch e.Codec = Codec(form); e.Codec {
		case CodecRaw, CodecString, CodecJSON:
		default:
			return &problem{CodeEndpoint, "has a codec that is none", `write "http:` + path + `", "http:` + path + `:string" or "http:` + path + `:json"`}
		}
	}
	return nil
}

const pathRunes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-~"

// webhookEndpoint reads what follows "webhook:".
func (d *decoder) webhookEndpoint(e *Endpoint, arg string, s side) *problem {
	e.Kind = EndpointWebhook
	if s == asSource {
		return &problem{CodeWrongSide, "cannot be a source", `a source is posted to: write "http:/path"`}
	}
	var ids []string
	for i := range d.m.Webhooks {
		h := &d.m.Webhooks[i]
		ids = append(ids, h.ID)
		if h.ID != arg {
			continue
		}
		e.Webhook, e.Codec = h, h.Codec
		if e.Codec == CodecNone {
			e.Codec, e.bareCodec = CodecRaw, true
		}
		return nil
	}
	return &problem{CodeUnknownRef, "is no webhook", didYouMean(arg, ids, "webhooks")}
}

// customEndpoint reads what follows "x:".
func (d *decoder) customEndpoint(e *Endpoint, arg string, s side) *problem {
	e.Kind = EndpointCustom
	kind, rest, _ := strings.Cut(arg, ":")
	if kind == "" {
		return &problem{CodeEndpoint, "names no connector", `write "x:KIND", "x:KIND:ARGUMENT", or "x:ID" for an [x.ID]`}
	}
	e.Custom = &Custom{Kind: kind, Arg: rest}
	for i := range d.m.Customs {
		c := &d.m.Customs[i]
		if c.ID == arg {
			if c.Kind == "" {
				c.Kind = c.ID
			}
			e.Custom = c
		}
	}
	if e.Codec = e.Custom.Codec; e.Codec == CodecNone {
		e.Codec, e.bareCodec = CodecRaw, s == asSink
	}
	return nil
}

// connectors checks the tables of sources and sinks outside Kafka, each by
// itself.
func (d *decoder) connectors() {
	m := d.m
	for i := range m.Timers {
		t := &m.Timers[i]
		path := []string{"timer", t.ID}
		_, every := d.doc.places[pathKey(join(path, "every"))]
		_, byCron := d.doc.places[pathKey(join(path, "cron"))]
		_, zone := d.doc.places[pathKey(join(path, "zone"))]
		switch at := d.doc.place(path).key; {
		case every && byCron:
			d.report(CodeConnector, at, path, "the timer "+quoteName(t.ID)+" has both every and cron", "leave one of them out")
		case !every && !byCron:
			d.report(CodeConnector, at, path, "the timer "+quoteName(t.ID)+" has no times", `write every = "1m" or cron = "0 6 * * *"`)
		case every && zone:
			d.reportAt(CodeConnector, join(path, "zone"), "a zone has no meaning for every = "+quoteName(formatDuration(t.Every)), "its ticks are at the multiples since 1970, everywhere at the same time; times on a clock need cron")
		}
	}
	o := d.doc.origins[pathKey([]string{"http", "token"})]
	m.HTTP.Token = NewValue(m.HTTP.token, true)
	if o.Kind == OriginFile && m.HTTP.token != "" {
		d.reportAt(CodeLiteralSecret, []string{"http", "token"}, "the token stands in the manifest", `write "${file:path}", so that it is not kept with the manifest`)
	}
	if !d.written([]string{"http", "token"}) && m.HTTP.Listen != "" && !m.HTTP.Loopback() {
		d.reportAt(CodeExposed, []string{"http", "listen"}, quoteName(m.HTTP.Listen)+" can be reached by others, and anybody could post", `write token = "${file:path}", or listen on 127.0.0.1`)
	}
}

// connectorUsage warns about tables that nothing names.
func (d *decoder) connectorUsage(broken bool) {
	if broken {
		return
	}
	m := d.m
	used := map[any]bool{}
	served := false
	for i := range m.Handlers {
		h := &m.Handlers[i]
		for _, e := range h.Sources {
			used[e.Timer], used[e.File], used[e.Custom] = true, true, true
			served = served || e.Kind == EndpointHTTP
		}
		for _, s := range h.Sinks {
			used[s.File], used[s.Custom], used[s.Webhook] = true, true, true
		}
	}
	for i := range m.Timers {
		if !used[&m.Timers[i]] {
			d.unused("timer", m.Timers[i].ID)
		}
	}
	for i := range m.Files {
		if !used[&m.Files[i]] {
			d.unused("file", m.Files[i].ID)
		}
	}
	for i := range m.Webhooks {
		if !used[&m.Webhooks[i]] {
			d.unused("webhook", m.Webhooks[i].ID)
		}
	}
	for i := range m.Customs {
		if !used[&m.Customs[i]] {
			d.unused("x", m.Customs[i].ID)
		}
	}
	if p, ok := d.doc.places[pathKey([]string{"http"})]; ok && !served {
		d.report(CodeUnused, p.key, []string{"http"}, "[http] is not used", `a source "http:/path" is posted to there`)
	}
}
