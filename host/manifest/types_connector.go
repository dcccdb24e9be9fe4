package manifest

import "time"

// Timer is a [timer.ID], or what "timer:1m" and "timer:cron:..." say.
type Timer struct {
	ID string
	// Every is the distance of ticks; 0 where Cron has the times.
	Every time.Duration
	// Cron is an expression that package cron reads, for the wall of Zone.
	Cron, Zone string
	// Missed says what becomes of ticks that passed while nobody ran the timer.
	Missed Missed
}

// Missed is what becomes of missed ticks.
type Missed string

// Choices for missed ticks.
const (
	MissedOnce Missed = "once"
	MissedSkip Missed = "skip"
)

// File is a [file.ID]: a file with settings.
type File struct {
	ID string
	// Path is joined with the manifest's directory.
	Path string
	// Codec is that of a line; "" for the one that the name asks for.
	Codec Codec
	// Follow keeps a source open at the end of the file.
	Follow bool
	// A sink begins a new file when the one there has RotateSize bytes or is
	// RotateEvery old, 0 for never, and keeps Keep old ones.
	RotateSize  int64
	RotateEvery time.Duration
	Keep        int
}

// HTTPServer is [http]: where sources "http:/path" are posted to.
type HTTPServer struct {
	// Listen is a host:port.
	Listen string
	// Token is what a request has to bring, "" for none.
	Token Value
	// Origins are the web pages that may post.
	Origins []string
	// MaxBody is the most bytes of a request, Queue of all that wait.
	MaxBody, Queue int64
	// Timeout is how long a request waits for its commit.
	Timeout time.Duration

	token string
}

// Webhook is a [webhook.ID], or what "http://host/path" says.
type Webhook struct {
	ID  string
	URL string
	// Headers are sent with each request.
	Headers []Property
	Codec   Codec
	// Batch is the most records of one request; above 1 they are lines.
	Batch int
	// Timeout is for one request, GiveUp for all tries of what one commit sends.
	Timeout, GiveUp time.Duration
}

// Custom is an [x.ID], or what "x:KIND:ARGUMENT" says: a source or sink that the
// program itself brings.
type Custom struct {
	ID string
	// Kind is the name under which the program knows it.
	Kind string
	// Arg is what follows the kind in the manifest, or the key arg.
	Arg    string
	Codec  Codec
	Config []Property
}
