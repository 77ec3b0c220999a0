package rotation

import (
	"fmt"
	"net"
	"os"
	"strings"
)

// held reports whether the broker still has its side of the connection open, by
// the kernel's table of connections. Where there is none, whether it takes what is
// sent.
func (d *device) held() bool {
	own, ok := d.conn.LocalAddr().(*net.TCPAddr)
	broker, known := d.conn.RemoteAddr().(*net.TCPAddr)
	if !ok || !known {
		return false
	}
	found := false
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		table, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		found = true
		if open(string(table), broker.Port, own.Port) {
			return true
		}
	}
	return !found && d.send([]byte{0xC0, 0}) == nil
}

// open finds a connection between two ports that its program has not closed:
// established, or closed by the peer alone.
func open(table string, local, remote int) bool {
	from, to := fmt.Sprintf(":%04X", local), fmt.Sprintf(":%04X", remote)
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) > 3 && strings.HasSuffix(fields[1], from) && strings.HasSuffix(fields[2], to) {
			return fields[3] == "01" || fields[3] == "08"
		}
	}
	return false
}
