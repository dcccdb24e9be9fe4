package manifest

import (
	"strings"
	"time"
)

// side is which end of a handler an endpoint is at.
type side uint8

const (
	asSource side = iota
	asSink
)

func (s side) String() string {
	if s == asSource {
		return "source"
	}
	return "sink"
}

// endpoint turns the text of a source or sink into an Endpoint. ids are not
// looked at: an endpoint without a scheme comes back as a topic with Index -1.
func (d *decoder) endpoint(text string, s side) (e Endpoint, p *problem) {
	e = Endpoint{Text: text, Index: -1}
	scheme, arg, has := strings.Cut(text, ":")
	switch {
	case scheme == "timer":
		if p = d.timerEndpoint(&e, arg, has); p == nil && s == asSink {
			p = &problem{CodeWrongSide, "cannot be a sink", "a timer is a source"}
		}
	case scheme == "cache":
		e.Kind = EndpointCache
		switch {
		case s == asSink:
			p = &problem{CodeWrongSide, "cannot be a sink", `a handler writes to a cache by its key cache: cache = [` + quoteName(arg) + `]`}
		case arg == "":
			p = &problem{CodeEndpoint, "names no cache", `write "cache:ID"`}
		}
	case scheme == "file":
		p = d.fileEndpoint(&e, arg, s)
	case scheme == "http" || scheme == "https":
		p = d.httpEndpoint(&e, s)
	case scheme == "webhook":
		p = d.webhookEndpoint(&e, arg, s)
	case scheme == "x" && has:
		p = d.customEndpoint(&e, arg, s)
	case scheme == "stdin" || scheme == "stdout":
		e.Kind, e.Codec, e.bareCodec = EndpointStdin, CodecRaw, !has && scheme == "stdout"
		if scheme == "stdout" {
			e.Kind = EndpointStdout
		}
		switch {
		case e.Kind == EndpointStdin && s == asSink:
			p = &problem{CodeWrongSide, "cannot be a sink", `write "stdout"`}
		case e.Kind == EndpointStdout && s == asSource:
			p = &problem{CodeWrongSide, "cannot be a source", `write "stdin"`}
		case has:
			switch e.Codec = Codec(arg); e.Codec {
			case CodecRaw, CodecString, CodecJSON:
			case CodecCSV:
				if s == asSink {
					p = &problem{CodeConnector, "cannot be written as csv", `write "stdout:json" or "stdout:string"`}
				}
			default:
				p = &problem{CodeEndpoint, "has a codec that is none", `write "` + scheme + `", "` + scheme + `:string" or "` + scheme + `:json"`}
			}
		}
	case has:
		hint := "the forms with a colon are timer:1m, cache:ID, file:path, stdin:json, stdout:json, http:/path, http://host/path, webhook:ID, x:KIND"
		if scheme == "topic" || scheme == "proxy" || scheme == "repartition" {
			hint = "write the id alone: " + quoteName(arg)
		}
		p = &problem{CodeEndpoint, "has no form that a " + s.String() + " can have", hint}
	case text == "":
		p = &problem{CodeEndpoint, "is empty", "write the id of a topic, proxy or repartition"}
	}
	return e, p
}

// timerInterval reads what follows "timer:".
func timerInterval(arg string, has bool) (time.Duration, *problem) {
	const hint = `write whole milliseconds, 10ms or more: "timer:500ms", "timer:1m", "timer:7d"`
	if !has {
		return 0, &problem{CodeEndpoint, "has no interval", hint}
	}
	v, err := parseDuration(arg)
	if err != nil || v < 10*time.Millisecond || v%time.Millisecond != 0 {
		return 0, &problem{CodeEndpoint, "has no interval that a timer can have", hint}
	}
	return v, nil
}

// bare reports whether the endpoint is written without saying its codec.
func (e *Endpoint) bare() bool { return e.bareCodec }

// sinkName is the name in the module of a sink in list form.
func (e *Endpoint) sinkName() string {
	name, _, _ := strings.Cut(e.Text, ":")
	return name
}

// Key is equal for two endpoints exactly when they are the same place,
// whatever form their records have there. It is for comparing, not for
// showing.
func (e *Endpoint) Key() string {
	switch e.Kind {
	case EndpointFile:
		return "file:" + e.Path
	case EndpointStdin:
		return "stdin"
	case EndpointStdout:
		return "stdout"
	case EndpointTimer:
		return "timer:" + e.Interval.String() + " " + e.Timer.Cron + " " + e.Timer.Zone
	case EndpointHTTP:
		return "http:" + e.Path
	case EndpointWebhook:
		return e.Webhook.URL
	case EndpointCustom:
		return "x:" + e.Custom.Kind + ":" + e.Custom.Arg + ":" + e.Custom.ID
	default:
		return e.Text
	}
}
