package keyring

const (
	frozenID     = "f709ad07347b62b8"
	frozenGossip = "016e78fdbb16bcda24477ce19ab7ce877c6e17bfce7f90492e495ca0fb4e85fb"
	frozenSealed = "01f709ad07347b62b83543aff931aad81f63f9a4c9518deef705dad425f232a7edcc6a545ec49cd3f37ba6ab476ecee23d2d9b96746b13c70b6b"
)
