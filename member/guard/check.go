package guard

import "fmt"

// Check returns an error that names the law of the package that is broken; nil
// when none is.
func (m *Machine) Check() error {
	for _, k := range m.sorted {
		it := m.items[k]
		if it.done && it.order != nil && it.order.Epoch > it.Epoch {
			return fmt.Errorf("law 1: %s obeys epoch %d and remembers %d", k, it.order.Epoch, it.Epoch)
		}
		if it.Phase != holding && it.lease.running {
			return fmt.Errorf("law 6: %s is %s and runs under a lease", k, it.Phase)
		}
		if it.AtMostOne && it.lease.running && it.lease.StopAt().IsZero() && !it.lease.Endless() {
			return fmt.Errorf("law 6: %s runs without a lease", k)
		}
	}
	return nil
}
