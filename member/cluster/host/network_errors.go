package host

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"syscall"
)

// What the kernel says of devices and addresses that are gone.
const (
	errNoDevice  = syscall.ENODEV
	errNoAddress = syscall.EADDRNOTAVAIL
)

func isExisting(err error) bool { return errors.Is(err, fs.ErrExist) }

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
