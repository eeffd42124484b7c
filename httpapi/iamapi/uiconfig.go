package iamapi

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"gatehouse/httpapi"
)

// maxUIConfig bounds the file in bytes.
const maxUIConfig = 1 << 20

// clusterConfiguration is what the user interface wants to know about the cluster before anybody has logged in (contract 1.13).
type clusterConfiguration struct {
	// FirstUser is true while there is no regular user; service accounts do not count.
	FirstUser bool   `json:"firstUser"`
	ID        string `json:"id"`
}

// uiConfig answers the operator's file with the cluster's part added. The file is read each time, so that an edit needs no restart.
func (a *api) uiConfig(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	config, err := readUIConfig(a.UIConfigFile)
	if err != nil {
		return nil, err
	}
	config["clusterConfiguration"] = clusterConfiguration{
		FirstUser: r.State.RegularUserCount() == 0, ID: cmp.Or(a.ClusterID, r.State.Meta().ClusterID),
	}
	return &httpapi.Response{Body: config}, nil
}

// CheckUIConfig reports what is wrong with the file of Options.UIConfigFile; "" is no file and right.
func CheckUIConfig(path string) error {
	_, err := readUIConfig(path)
	return err
}

func readUIConfig(path string) (map[string]any, error) {
	config := map[string]any{}
	if path == "" {
		return config, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the user interface's configuration: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxUIConfig+1))
	if err != nil {
		return nil, fmt.Errorf("read the user interface's configuration: %w", err)
	}
	if len(text) > maxUIConfig {
		return nil, fmt.Errorf("read the user interface's configuration %s: larger than %d bytes", path, maxUIConfig)
	}
	if err := json.Unmarshal(text, &config); err != nil || config == nil {
		return nil, fmt.Errorf("read the user interface's configuration %s: want one JSON object: %w", path, err)
	}
	return config, nil
}
