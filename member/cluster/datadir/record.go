package datadir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
)

// Format is the version of the layout of the data directory that this program
// writes and reads.
const Format = 1

// Record is what a data directory says about itself, in the file cluster.json.
type Record struct {
	// Format of the layout. Adopt sets it.
	Format int `json:"format"`
	// Member whose data this is.
	Member string `json:"member"`
	// ServiceCIDR and PodCIDR, which objects in the cluster carry.
	ServiceCIDR string `json:"serviceCIDR"`
	PodCIDR     string `json:"podCIDR"`
	// APIPort that the API server has had so far, 0 before the first start.
	APIPort int `json:"apiPort"`
}

// Adopt compares the directory's record with wanted and returns it; a directory
// without one gets it from wanted. It refuses, in one line, a directory of a
// newer format, of another member or of other address ranges.
func (d *Dir) Adopt(wanted Record) (Record, error) {
	found, err := d.readRecord()
	if errors.Is(err, fs.ErrNotExist) {
		wanted.Format = Format
		return wanted, d.SaveRecord(wanted)
	}
	if err != nil {
		return Record{}, err
	}
	return found, d.compare(found, wanted)
}

// SaveRecord replaces the directory's record.
func (d *Dir) SaveRecord(record Record) error {
	data, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("encode record of data directory: %w", err)
	}
	return d.Write(recordName, append(data, '\n'))
}

func (d *Dir) readRecord() (Record, error) {
	data, err := d.Read(recordName)
	if err != nil {
		return Record{}, err
	}
	var record Record
	if err := json.Unmarshal(data, &record); err != nil || record.Format < 1 {
		return Record{}, fmt.Errorf("data directory %s has a damaged %s: restore it from a backup or choose another directory",
			d.path, recordName)
	}
	return record, nil
}

func (d *Dir) compare(found, wanted Record) error {
	switch {
	case found.Format > Format:
		return fmt.Errorf("data directory %s has format %d and this program knows up to %d: use the newer program that wrote it, or choose another directory",
			d.path, found.Format, Format)
	case found.Member != wanted.Member:
		return fmt.Errorf("data directory %s belongs to member %s, not to %s: choose another directory",
			d.path, found.Member, wanted.Member)
	case found.ServiceCIDR != wanted.ServiceCIDR:
		return d.fixed("serviceCIDR", found.ServiceCIDR, wanted.ServiceCIDR)
	case found.PodCIDR != wanted.PodCIDR:
		return d.fixed("podCIDR", found.PodCIDR, wanted.PodCIDR)
	}
	return nil
}

func (d *Dir) fixed(field, found, wanted string) error {
	return fmt.Errorf("%s is %s in data directory %s and cannot become %s: keep it or choose another directory",
		field, found, d.path, wanted)
}

// Stamp compares the directory's file "format" with owner and newest, the newest
// layout of owner's data that this program knows; a directory without the file
// gets it. It refuses, in one line, what another owner or a newer program wrote.
func (d *Dir) Stamp(owner string, newest int) error {
	data, err := d.ReadOrWrite(formatName, func() ([]byte, error) {
		return fmt.Appendf(nil, "%s %d\n", owner, newest), nil
	})
	if err != nil {
		return fmt.Errorf("read the format of data directory %s: %w", d.path, err)
	}
	var found string
	var format int
	_, err = fmt.Sscanf(string(data), "%s %d", &found, &format)
	switch {
	case err != nil || format < 1:
		return fmt.Errorf("data directory %s has a damaged file %s: restore it from a backup or choose another directory", d.path, formatName)
	case found != owner:
		return fmt.Errorf("data directory %s belongs to a %s, not to a %s: choose another directory", d.path, found, owner)
	case format > newest:
		return fmt.Errorf("data directory %s has format %d and this program knows up to %d: use the newer program that wrote it, or choose another directory",
			d.path, format, newest)
	}
	return nil
}
