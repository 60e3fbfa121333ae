package decision

// writeDone tells whoever asked for a write how it ended.
func (m *Machine) writeDone(ev WriteDone) {
	w, ok := m.writes[ev.ID]
	if !ok {
		return
	}
	delete(m.writes, ev.ID)
	m.unstored = true
	switch w.source {
	case SourceAssignments:
		m.assignmentDone(w, ev)
	case SourceHealth:
		m.unsaved[w.name] = true
		m.healthDone(w, ev)
	case SourceOperations:
		m.operationDone(w, ev)
	case SourceMembers:
		m.unsaved[w.name] = true
		m.memberDone(w, ev)
	case sourceWorks:
		m.workDone(w, ev)
	}
}

// newWrite numbers a write and remembers whose it is.
func (m *Machine) newWrite(w writing) uint64 {
	m.lastID++
	m.writes[m.lastID] = w
	return m.lastID
}
