package main

import (
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"gatehouse/cmd/gatehouse/cli"
	"gatehouse/cmd/gatehouse/doctor"
)

func (p *program) doctorCommand() *cobra.Command {
	var peers []string
	output := "text"
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "On a master: say what is wrong with it and its cluster, and what to do",
		Long: "Examines this master and every other that it can find: settings, key file, data directory, disk,\n" +
			"clocks, certificates, ports, names, versions, quorum. Run it with the settings of the agent, as root or\n" +
			"as the master's user; it works while the master is down, too. Nothing is changed but for a small file in\n" +
			"the data directory that measures the disk and is removed at once. It takes ten seconds at most. The exit\n" +
			"status is 0 when there is no problem; warnings do not count. docs/operating.md explains every check.",
		Example: "  sudo gatehouse doctor --config /etc/gatehouse/gatehouse.yaml\n" +
			"  gatehouse doctor --config gatehouse.yaml --peer 10.0.0.2:8102 --output json",
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var wrong problems
			choice("output", output, &wrong, "text", "json")
			for _, address := range peers {
				checkHostPort("peer", address, 1, &wrong)
			}
			if err := wrong.err(); err != nil {
				return err
			}
			return p.runDoctor(cmd, peers, output)
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringSliceVar(&peers, "peer", nil, "host:port of a peer port to ask too; may be given several times")
	cmd.Flags().StringVarP(&output, "output", "o", output, "text or json")
	addSettings(cmd.Flags())
	return cmd
}

func (p *program) runDoctor(cmd *cobra.Command, peers []string, output string) error {
	cfg, wrong := readConfig(cmd.Flags(), p.env)
	in := cfg.patient()
	in.Problems, in.Peers = wrong, peers
	report := doctor.Run(cmd.Context(), in)
	print := report.Text
	if output == "json" {
		print = report.JSON
	}
	if err := print(p.stdout); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	switch report.Problems {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("the doctor found a problem")
	}
	return fmt.Errorf("the doctor found %d problems", report.Problems)
}

// patient is the master that this configuration describes, as the doctor wants to know it.
func (c *config) patient() doctor.Input {
	in := doctor.Input{
		KeyFile: c.ClusterKeyFile, DataDir: c.DataDir, AdminSocket: c.AdminSocket, AuditLog: c.AuditLog, LowWater: c.DiskLowWater,
		Advertise: c.Advertise, APIAdvertise: c.APIAdvertise, PeerListen: c.PeerListen, PeerAdvertise: c.PeerAdvertise,
		GossipListen: c.GossipListen, Expect: c.Expect,
		TLSCert: c.TLSCert, TLSKey: c.TLSKey, TLSCAFile: c.TLSCAFile, TLSAuto: c.TLSAuto,
		AutoUnseal: c.AutoUnseal, PKCS11: c.PKCS11,
		Version: version, MaxLevel: maxLevel, LookupHost: net.DefaultResolver.LookupHost,
	}
	if lookup := joinLookup(c.JoinResolver); lookup != nil {
		in.LookupHost = lookup
	}
	for _, address := range c.Join {
		in.Join = append(in.Join, withPort(address, c.GossipListen))
	}
	if in.DNSListen = c.DNSListen; in.DNSListen != "" {
		for _, name := range c.DNSNames {
			in.DNSNames = append(in.DNSNames, name+"."+c.DNSZone)
		}
	}
	for _, l := range c.Listeners {
		if !l.Redirect {
			in.API = append(in.API, doctor.Listener{Address: l.Address, TLS: l.TLS, Proxy: l.Proxy})
		}
	}
	return in
}
