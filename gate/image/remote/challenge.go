package remote

import "strings"

// challenge is how a registry wants to be asked. The zero value is "with no
// credentials".
type challenge struct {
	scheme     string // lower case
	parameters map[string]string
}

// chooseChallenge picks the challenge that we can answer best from the
// WWW-Authenticate headers: a token is worth less to a thief than a password.
func chooseChallenge(headers []string) challenge {
	var basic challenge
	for _, header := range headers {
		for _, c := range parseChallenges(header) {
			switch c.scheme {
			case "bearer":
				return c
			case "basic":
				basic = c
			}
		}
	}
	return basic
}

// maxChallenges bounds what is read of one header.
const maxChallenges = 16

// parseChallenges reads one header (RFC 9110, 11.6.1): challenges separated by
// commas, as are the parameters of each. What makes no sense is passed over.
func parseChallenges(s string) []challenge {
	var list []challenge
	for s != "" && len(list) <= maxChallenges {
		s = strings.TrimLeft(s, " \t,")
		word, rest := cutToken(s)
		if word == "" {
			if s != "" {
				s = s[1:]
			}
			continue
		}
		value, after, isParameter := cutParameter(rest)
		switch {
		case !isParameter:
			list = append(list, challenge{scheme: strings.ToLower(word), parameters: map[string]string{}})
			s = rest
		case len(list) > 0:
			// The first value wins: a second one would be somebody's addition.
			parameters := list[len(list)-1].parameters
			if _, twice := parameters[strings.ToLower(word)]; !twice {
				parameters[strings.ToLower(word)] = value
			}
			s = after
		default:
			s = after
		}
	}
	return list
}

// cutToken cuts an RFC 9110 token off the front of s.
func cutToken(s string) (token, rest string) {
	i := 0
	for i < len(s) && (s[i] == '-' || s[i] == '_' || s[i] == '.' || s[i] == '~' || s[i] == '+' || s[i] == '/' ||
		'0' <= s[i] && s[i] <= '9' || 'a' <= s[i] && s[i] <= 'z' || 'A' <= s[i] && s[i] <= 'Z') {
		i++
	}
	return s[:i], s[i:]
}

// cutParameter cuts ="value" or =value off the front of s. Whether there is one
// tells a parameter from the name of a scheme.
func cutParameter(s string) (value, rest string, ok bool) {
	s = strings.TrimLeft(s, " \t")
	if !strings.HasPrefix(s, "=") {
		return "", s, false
	}
	s = strings.TrimLeft(s[1:], " \t")
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ", \t")
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], true
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		case '"':
			return b.String(), s[i+1:], true
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), "", true
}
