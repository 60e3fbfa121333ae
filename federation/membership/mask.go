package membership

import (
	"maps"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// longestMask bounds the lifetime of a mask.
const longestMask = 15 * time.Minute

// setMask sets or renews the mask of an operation. From now on its members are
// silent, whatever arrives.
func (m *Machine) setMask(f federation.FaultMask) {
	m.masks[f.Operation] = m.now.Add(min(f.Lifetime, longestMask))
	m.masked[f.Operation] = slices.Clone(f.Members)
	for _, name := range m.names {
		m.coverByMask(m.members[name])
	}
}

// liftMask ends the mask of an operation. A member that had its verdict by then
// comes back by the return protocol, with its next beat.
func (m *Machine) liftMask(operation string) {
	delete(m.masks, operation)
	delete(m.masked, operation)
	for _, name := range m.names {
		m.coverByMask(m.members[name])
	}
}

func (m *Machine) endMasks() {
	for _, operation := range slices.Sorted(maps.Keys(m.masks)) {
		if !m.masks[operation].After(m.now) {
			m.liftMask(operation)
			m.emit(MaskEnded{Operation: operation})
		}
	}
}

// coverByMask puts the member under the first mask that names it, or under none.
func (m *Machine) coverByMask(mem *member) {
	cover := ""
	for _, operation := range slices.Sorted(maps.Keys(m.masked)) {
		if slices.Contains(m.masked[operation], mem.name) {
			cover = operation
			break
		}
	}
	if cover == mem.mask {
		return
	}
	mem.mask, mem.record.Masked, mem.flagged, m.looks = cover, cover, false, nil
	clear(mem.api)
	clear(mem.agent)
	clear(mem.ingress)
	m.update(mem)
	m.judge(mem)
}

// real is what a masked member really looks like.
func (m *Machine) real(mem *member) federation.Health {
	switch {
	case mem.mask == "":
		return mem.record.Health
	case mem.stream.gone, mem.stream.count > 0 && m.now.Sub(mem.stream.heard) >= m.patience(mem):
		return federation.Suspect
	}
	return federation.Healthy
}
