package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/spf13/cobra"

	"gatehouse/cmd/gatehouse/cli"
	"gatehouse/httpapi/client"
)

func (p *program) resetSuperuserCommand() *cobra.Command {
	var dataDir, socket string
	cmd := &cobra.Command{
		Use:   "reset-superuser UID",
		Short: "On a master: give a user a new password and make it a superuser",
		Long: "The way back in when no superuser can log in any more. Run it on a master, as the user\n" +
			"that runs the master: the admin socket is the credential. Creates the user when there is\n" +
			"none, and whatever else is missing; doing it again does no harm. Tokens that the user\n" +
			"has stay valid; revoke them when the old password has leaked.",
		Example: "  sudo -u gatehouse gatehouse reset-superuser admin\n  gatehouse reset-superuser --data-dir dev-data/master-1 bootstrapuser",
		Args:    cli.OneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := p.askPassword(cmd.Context())
			if err != nil {
				return err
			}
			cfg := config{DataDir: dataDir, AdminSocket: socket}
			return p.resetSuperuser(cmd, cfg.adminSocket(), args[0], password)
		},
	}
	cmd.Flags().StringVar(&dataDir, "data-dir", defaultDataDir, "data directory of the master on this host")
	cmd.Flags().StringVar(&socket, "admin-socket", "", "its admin socket (default: admin.sock in the data directory)")
	return cmd
}

func (p *program) resetSuperuser(cmd *cobra.Command, socket, uid, password string) error {
	c, err := client.New(client.Options{Addresses: []string{"http://admin"}, HTTPClient: adminClient(socket), Patience: -1})
	if err != nil {
		return err
	}
	var done struct{ Steps []string }
	_, err = c.Do(cmd.Context(), client.Request{Method: http.MethodPost, Path: "/gatehouse/v1/reset-superuser", Public: true,
		Body: map[string]string{"uid": uid, "password": password}, Into: &done})
	if err != nil {
		return resetError(socket, err)
	}
	for _, line := range done.Steps {
		fmt.Fprintf(cmd.OutOrStdout(), "INFO: %s\n", line)
	}
	return nil
}

// resetError says what to do when the socket cannot be reached.
func resetError(socket string, err error) error {
	var unreached *net.OpError
	if errors.As(err, &unreached) && unreached.Op == "dial" {
		return fmt.Errorf("no master answers at %s: %w\n  run this on a master, as the user that runs it, and name its --data-dir", socket, unreached.Err)
	}
	return fmt.Errorf("reset superuser through %s: %w", socket, err)
}

// adminClient speaks HTTP over the admin socket; the host name of URLs does not matter.
func adminClient(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialSocket(ctx, socket)
		},
	}}
}
