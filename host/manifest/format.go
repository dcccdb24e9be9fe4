package manifest

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"
)

// maxTopicName is the longest name that a broker accepts.
const maxTopicName = 249

// reservedEndpoints are the words that a source or sink starts with when it is
// no id.
func reservedEndpoints() []string {
	return []string{"timer", "file", "stdin", "stdout", "cache", "http", "https", "webhook", "x", "topic", "proxy", "repartition"}
}

// checkID reports what keeps an id from being kebab-case, and how it would be
// right.
func checkID(id string) *problem {
	const rule = "ids are lower-case letters, digits and single hyphens, starting with a letter"
	if len(id) > 64 {
		return &problem{CodeBadID, "the id has more than 64 characters", "a topic's real name can be set with name"}
	}
	ok := id != "" && id[0] >= 'a' && id[0] <= 'z' && !strings.HasSuffix(id, "-") && !strings.Contains(id, "--")
	for i := range len(id) {
		c := id[i]
		ok = ok && (c == '-' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9')
	}
	if ok {
		return nil
	}
	hint := rule
	if k := kebab(id); k != "" {
		hint += ", such as " + quoteName(k)
	}
	return &problem{CodeBadID, quoteName(id) + " is not an id", hint}
}

// kebab turns a name into the id that is nearest to it, "" if nothing is left.
func kebab(s string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9' && b.Len() > 0:
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= 64 {
			break
		}
	}
	return strings.Trim(b.String(), "-")
}

func checkNotEmpty(s string) *problem {
	if strings.TrimSpace(s) == "" {
		return &problem{CodeEmpty, "must not be empty", "leave the key out for its default"}
	}
	return nil
}

// nameRunes are the characters that names at a broker are made of.
func nameRunes(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '.' && c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != ""
}

func checkTopicName(s string) *problem {
	switch {
	case s == "." || s == "..", !nameRunes(s):
		return &problem{CodeTopicName, "is not a name that a broker accepts", "topic names are made of letters, digits, '.', '_' and '-'"}
	case len(s) > maxTopicName:
		return &problem{CodeTopicName, "has " + strconv.Itoa(len(s)) + " characters; a broker accepts " + strconv.Itoa(maxTopicName), ""}
	case strings.HasPrefix(s, "__"):
		return &problem{CodeTopicName, "is a name that brokers keep for themselves", "names that start with two underscores are internal topics"}
	}
	return nil
}

// maxAppName leaves room in a topic's name for what follows the prefix.
const maxAppName = 100

func checkAppName(s string) *problem {
	switch {
	case !nameRunes(s) || s[0] == '.' || s[0] == '_' || s[0] == '-':
		return &problem{CodeAppName, "cannot name an application", "a name is made of letters, digits, '.', '_' and '-' and starts with a letter or digit, because topics are named after it"}
	case len(s) > maxAppName:
		return &problem{CodeAppName, "has " + strconv.Itoa(len(s)) + " characters; at most " + strconv.Itoa(maxAppName) + " are allowed", "topics are named after it"}
	}
	return nil
}

func checkGroup(s string) *problem {
	if p := checkNotEmpty(s); p != nil {
		return p
	}
	if !printable(s) || len(s) > 249 {
		return &problem{CodeAppName, "cannot name a consumer group", "use up to 249 printable characters"}
	}
	return nil
}

func printable(s string) bool {
	for _, r := range s {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return false
		}
	}
	return true
}

func checkServers(s string) *problem {
	if s == EmbeddedBroker {
		return nil
	}
	const hint = `write "host:port", several separated by commas, or "embedded"`
	for _, one := range strings.Split(s, ",") {
		one = strings.TrimSpace(one)
		if _, after, ok := strings.Cut(one, "://"); ok {
			one = after
		}
		host, port := one, ""
		if strings.Contains(one, ":") {
			var err error
			if host, port, err = net.SplitHostPort(one); err != nil {
				return &problem{CodeServers, "is not a list of brokers", hint}
			}
			if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
				return &problem{CodeServers, "has a port that is not between 1 and 65535", hint}
			}
		}
		switch {
		case host == "" || strings.ContainsAny(host, " /\t\n@\"'"):
			return &problem{CodeServers, "is not a list of brokers", hint}
		case host == EmbeddedBroker && port == "":
			return &problem{CodeServers, "mixes the embedded broker with others", `write "embedded" alone`}
		}
	}
	return nil
}

func checkAddress(s string) *problem {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return &problem{CodeAddress, "is not an address", `write "127.0.0.1:9797"`}
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return &problem{CodeAddress, "has a port that is not between 0 and 65535", `write "127.0.0.1:9797"`}
	}
	return nil
}

// isLoopback reports whether an address is one that only this machine reaches.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

func checkSHA256(s string) *problem {
	if len(s) != 64 || strings.Trim(strings.ToLower(s), "0123456789abcdef") != "" {
		return &problem{CodeSHA256, "is not a SHA-256 hash", "write the 64 hexadecimal digits that `sliphost inspect` or sha256sum prints"}
	}
	return nil
}

func checkModulePath(s string) *problem {
	if p := checkNotEmpty(s); p != nil {
		return p
	}
	if !filepath.IsAbs(s) && !filepath.IsLocal(s) {
		return &problem{CodePathEscapes, "leaves the manifest's directory", "keep modules below the manifest, or write an absolute path"}
	}
	return nil
}
