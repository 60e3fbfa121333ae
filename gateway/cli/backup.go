package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansa-io/hansa/federation/archive"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

func (a *app) backupCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "backup FILE|-",
		Short: "Write the hub's whole state, with the keys of the federation, to a file",
		Long: `Write the hub's whole state, with the keys of the federation, to a file, while
everything runs. It needs the role admin. What was written is read again and
checked. Records are whole, each by itself; those of later buckets may be newer
than those of earlier ones. "hansa restore" puts it back.`,
		Example: `  hansa backup hansa-$(date +%F).backup
  hansa backup - | ssh safe 'cat > hansa.backup'`,
		Args: one("FILE"),
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace a file that exists")
	cmd.RunE = a.asking(func(c call, args []string) error {
		if args[0] == "-" {
			return c.backupTo(cmd.OutOrStdout())
		}
		return c.backupFile(args[0], force)
	})
	return cmd
}

// backupTo streams a backup, and checks it as it passes.
func (c call) backupTo(out io.Writer) error {
	if Interactive(out) {
		return Usagef("a backup is no text: name a FILE, or send it into one")
	}
	in, copied := io.Pipe()
	type outcome struct {
		archive.Summary
		err error
	}
	checked := make(chan outcome, 1)
	go func() {
		s, err := archive.Verify(in)
		in.CloseWithError(err)
		checked <- outcome{s, err}
	}()
	err := c.receiveBackup(io.MultiWriter(out, copied))
	copied.CloseWithError(err)
	done := <-checked
	if err == nil {
		err = done.err
	}
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	c.tellBackup(c.cmd.ErrOrStderr(), done.Summary)
	return nil
}

// backupFile writes a backup beside its place, and moves it there once it is checked.
func (c call) backupFile(name string, force bool) error {
	if _, err := os.Lstat(name); !force && !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return fmt.Errorf("backup: %w", err)
		}
		return fmt.Errorf("%s exists: name another file, or give --force", name)
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := c.receiveBackup(f); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	s, err := archive.VerifyFile(f.Name())
	if err != nil {
		return fmt.Errorf("backup: what was written cannot be read again: %w", err)
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	c.tellBackup(c.cmd.OutOrStdout(), s)
	fmt.Fprintf(c.cmd.OutOrStdout(), "%s has the keys of the federation: who reads it can act as the hub; it has mode 0600\n", name)
	return nil
}

func (c call) receiveBackup(out io.Writer) error {
	stream, err := c.Backup.Backup(c.cmd.Context(), &gatewayv1.BackupRequest{})
	if err != nil {
		return err
	}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := out.Write(part.GetData()); err != nil {
			return err
		}
	}
}

// tellBackup writes what a backup has.
func (c call) tellBackup(out io.Writer, s archive.Summary) {
	rows := [][]string{{"BUCKET", "RECORDS"}}
	for _, name := range s.Buckets() {
		rows = append(rows, []string{name, strconv.FormatInt(s.Counts[name], 10)})
	}
	_ = newGrid(out).print(rows...) // the summary that follows fails the same way
	fmt.Fprintf(out, "%s, %s bytes, made %s by hansa %s in term %d\nsha256 %s\n",
		plural(int(s.Records()), "record"), strconv.FormatInt(s.Size, 10), s.Header.At.Format(time.RFC3339), or(s.Header.Version, "devel"), s.Header.Term, s.Digest)
}

func (a *app) restoreCommand() *cobra.Command {
	var config string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put the hub's state back to that of a backup",
		Long: `Put the hub's state back to that of a backup, while everything runs. It needs the
role admin. Workloads, members, tokens, scores and assignments become those of
the backup; what is not in it is removed from the records, and goes on running
where it runs. Nothing is deleted in a member. Without --yes it says what would
change, and asks.

With --config it prepares the directory of a hub that has lost everything, and does
not run: it puts the keys in place, and the hub restores the backup when it starts,
before it decides anything. Agents come back with the credentials that they have.`,
		Example: `  hansa restore hansa.backup --dry-run
  hansa restore hansa.backup --yes
  hansa restore hansa.backup --config /etc/hansa/hub.yaml`,
		Args: one("FILE"),
	}
	out := outputFlag(cmd, formatText, formatJSON, formatYAML)
	cmd.Flags().StringVar(&config, "config", "", "configuration file of a hub that does not run and has no state")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would change")
	YesFlag(cmd)
	running := a.asking(func(c call, args []string) error {
		done, err := c.restore(args[0], dryRun)
		if done == nil || err != nil {
			return err
		}
		if out.structured() {
			return out.print(cmd.OutOrStdout(), treeOf(done))
		}
		return c.tellRestored(done)
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if config == "" {
			return running(cmd, args)
		}
		return a.restoreLost(cmd.Context(), config, args[0])
	}
	return cmd
}

// restoreLost prepares the directory of a hub that does not run.
func (a *app) restoreLost(ctx context.Context, config, file string) error {
	if a.opts.Restore == nil {
		return Usagef("this command cannot prepare a hub: use the hansa that runs it")
	}
	s, err := archive.VerifyFile(file)
	if err != nil {
		return fmt.Errorf("restore %s: %w", file, err)
	}
	if err := a.opts.Restore(ctx, config, file); err != nil {
		return fmt.Errorf("restore %s: %w", file, err)
	}
	fmt.Fprintf(a.opts.Stdout, "the keys are in place, and %s wait: start the hub with \"hansa hub --config %s\"\n", plural(int(s.Records()), "record"), config)
	return nil
}

// restore sends the file twice: to be told what would change, and to do it.
func (c call) restore(file string, dryRun bool) (*gatewayv1.RestoreResponse, error) {
	s, err := archive.VerifyFile(file)
	if err != nil {
		return nil, fmt.Errorf("restore %s: %w", file, err)
	}
	plan, err := c.sendBackup(file, true)
	if err != nil || dryRun {
		return plan, err
	}
	if err := tellChanges(c.cmd.ErrOrStderr(), plan); err != nil { // it is not the result
		return nil, err
	}
	question := fmt.Sprintf("Put the hub's records back to those of %s?", s.Header.At.Format(time.RFC3339))
	if err := Confirm(c.cmd, question); err != nil {
		return nil, err
	}
	return c.sendBackup(file, false)
}

// sentPart is how much of a backup goes out at a time, in bytes.
const sentPart = 1 << 20

func (c call) sendBackup(file string, dryRun bool) (*gatewayv1.RestoreResponse, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	defer f.Close()
	stream, err := c.Backup.Restore(c.cmd.Context())
	if err != nil {
		return nil, err
	}
	part := make([]byte, sentPart)
	for {
		n, err := f.Read(part)
		if errors.Is(err, io.EOF) {
			return stream.CloseAndRecv()
		}
		if err != nil {
			return nil, fmt.Errorf("restore: %w", err)
		}
		if stream.Send(&gatewayv1.RestoreRequest{Data: part[:n], DryRun: dryRun}) != nil {
			return stream.CloseAndRecv() // which knows why it was refused
		}
	}
}

// tellChanges writes what a restore changes.
func tellChanges(out io.Writer, r *gatewayv1.RestoreResponse) error {
	if len(r.GetChanges()) == 0 {
		_, err := fmt.Fprintln(out, "the records are those of the backup: nothing changes")
		return err
	}
	rows := [][]string{{"KIND", "NAME", "BECOMES", "NOTE"}}
	for _, x := range r.GetChanges() {
		rows = append(rows, []string{x.GetKind(), x.GetName(), x.GetAction(), x.GetNote()})
	}
	if err := newGrid(out).print(rows...); err != nil {
		return err
	}
	if n := r.GetUnlisted(); n > 0 {
		fmt.Fprintf(out, "and %d more\n", n)
	}
	return nil
}

func (c call) tellRestored(r *gatewayv1.RestoreResponse) error {
	out := c.cmd.OutOrStdout()
	at := r.GetMadeAt().AsTime().Format(time.RFC3339)
	if r.GetTerm() == 0 {
		if err := tellChanges(out, r); err != nil {
			return err
		}
		_, err := fmt.Fprintf(out, "the backup of %s would be restored; nothing was done\n", at)
		return err
	}
	_, err := fmt.Fprintf(out, "the backup of %s is restored, %s; the hub leads in term %d\n",
		at, plural(len(r.GetChanges())+int(r.GetUnlisted()), "change"), r.GetTerm())
	return err
}
