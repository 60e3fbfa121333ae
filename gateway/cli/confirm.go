package cli

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

const yesName = "yes"

// YesFlag adds --yes to a command that asks before it acts.
func YesFlag(cmd *cobra.Command) {
	cmd.Flags().BoolP(yesName, "y", false, "do it without asking; needed where nobody can be asked")
}

func yes(cmd *cobra.Command) bool {
	yes, err := cmd.Flags().GetBool(yesName)
	return err == nil && yes
}

// Confirm returns nil when the user agrees: by --yes, or by answering the
// question on a terminal. Without a terminal an error names --yes.
func Confirm(cmd *cobra.Command, question string) error {
	if yes(cmd) {
		return nil
	}
	if !Interactive(cmd.InOrStdin()) {
		return fmt.Errorf("%s Nobody can be asked here: give --yes", question)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s [y/N] ", question)
	answer, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was done")
}
