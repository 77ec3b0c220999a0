package sunsource

import (
	"strings"
	"unicode"
)

// plain are the Latin letters with marks, each group behind the letter that it is
// searched by.
const plain = "aàáâãäåāăąǎ cçćĉċč dďđð eèéêëēĕėęě gĝğġģ hĥħ iìíîïĩīĭįı jĵ kķ lĺļľŀł nñńņňŋ oòóôõöøōŏő rŕŗř sśŝşšș tţťŧț uùúûüũūŭůűų wŵ yýÿŷ zźżž"

// Fold writes a text as it is searched: in small letters, Latin ones without
// marks.
func Fold(text string) string {
	return strings.Map(fold, strings.ReplaceAll(strings.ToLower(text), "ß", "ss"))
}

func fold(r rune) rune {
	switch {
	case r < 0x80:
		return r
	case r >= 0x300 && r <= 0x36f: // a mark by itself
		return -1
	case r > 0x24f:
		return unicode.ToLower(r)
	}
	at := strings.IndexRune(plain, r)
	if at < 0 {
		return r
	}
	return rune(plain[strings.LastIndexByte(plain[:at], ' ')+1])
}
