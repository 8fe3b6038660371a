package main

// examples are shown by the help of each command.
var examples = map[string]string{
	"mocktenant":             "mocktenant --ephemeral",
	"mocktenant serve":       "mocktenant serve --data-dir ./data --http-addr 127.0.0.1:9080",
	"mocktenant token":       "mocktenant token --tenant contoso.example --lifetime 5m",
	"mocktenant env":         `eval "$(mocktenant env)"`,
	"mocktenant ca":          "mocktenant ca --path",
	"mocktenant proxy":       "mocktenant proxy --url https://mocktenant.example:8443",
	"mocktenant healthcheck": "mocktenant healthcheck --wait 1m",
	"mocktenant version":     "mocktenant version -o json",

	"mocktenant migrate up":     "mocktenant migrate up --database-url postgres://user@host/database",
	"mocktenant migrate down":   "mocktenant migrate down --yes",
	"mocktenant migrate status": "mocktenant migrate status",

	"mocktenant migrate distribute": "mocktenant migrate distribute --database-url postgres://user@coordinator/database",

	"mocktenant completion bash":       "source <(mocktenant completion bash)",
	"mocktenant completion zsh":        "source <(mocktenant completion zsh)",
	"mocktenant completion fish":       "mocktenant completion fish | source",
	"mocktenant completion powershell": "mocktenant completion powershell | Out-String | Invoke-Expression",

	"mocktenant tenant create":      `mocktenant tenant create --display-name Contoso --ttl 2h -o json`,
	"mocktenant tenant list":        "mocktenant tenant list",
	"mocktenant tenant get":         "mocktenant tenant get contoso.example",
	"mocktenant tenant update":      "mocktenant tenant update contoso.example --page-size 50 --quota-entities 1000",
	"mocktenant tenant reset":       "mocktenant tenant reset contoso.example --yes",
	"mocktenant tenant delete":      "mocktenant tenant delete contoso.example fabrikam.example --yes",
	"mocktenant tenant check-token": `mocktenant tenant check-token "$(pbpaste)" --tenant contoso.example`,
	"mocktenant tenant token":       "mocktenant tenant token contoso.example --client Portal --user alice@contoso.example",

	"mocktenant user create":          "mocktenant user create alice@contoso.example --tenant contoso.example --display-name Alice",
	"mocktenant user list":            "mocktenant user list --tenant contoso.example",
	"mocktenant user get":             "mocktenant user get alice@contoso.example --tenant contoso.example",
	"mocktenant user update":          "mocktenant user update alice@contoso.example --tenant contoso.example --no-enabled",
	"mocktenant user revoke-sign-ins": "mocktenant user revoke-sign-ins alice@contoso.example --tenant contoso.example",
	"mocktenant user delete":          "mocktenant user delete alice@contoso.example --tenant contoso.example",

	"mocktenant app create":                      "mocktenant app create Portal --tenant contoso.example --redirect-uri http://localhost:3000/auth",
	"mocktenant app list":                        "mocktenant app list --tenant contoso.example",
	"mocktenant app get":                         "mocktenant app get Portal --tenant contoso.example",
	"mocktenant app update":                      "mocktenant app update Portal --tenant contoso.example --public-client-flows",
	"mocktenant app delete":                      "mocktenant app delete Portal --tenant contoso.example",
	"mocktenant app secret create":               "mocktenant app secret create Portal --tenant contoso.example --ttl 30d",
	"mocktenant app secret delete":               "mocktenant app secret delete Portal 00000000-0000-0000-0000-000000000001 --tenant contoso.example",
	"mocktenant app certificate create":          "mocktenant app certificate create Portal portal.pem --tenant contoso.example",
	"mocktenant app certificate add":             "mocktenant app certificate add Portal portal-certificate.pem --tenant contoso.example",
	"mocktenant app certificate delete":          "mocktenant app certificate delete Portal 00000000-0000-0000-0000-000000000001 --tenant contoso.example",
	"mocktenant app federated-credential create": "mocktenant app federated-credential create Portal ci --tenant contoso.example --issuer https://token.actions.githubusercontent.com --subject repo:contoso/portal:ref:refs/heads/main",
	"mocktenant app federated-credential delete": "mocktenant app federated-credential delete Portal 00000000-0000-0000-0000-000000000001 --tenant contoso.example",
	"mocktenant app consent grant":               "mocktenant app consent grant Portal --tenant contoso.example --scope User.Read",
	"mocktenant app consent remove":              "mocktenant app consent remove Portal --tenant contoso.example",

	"mocktenant entity list":     `mocktenant entity list remoteAssistancePartners --tenant contoso.example --filter "onboardingStatus eq 'onboarded'"`,
	"mocktenant entity get":      "mocktenant entity get remoteAssistancePartners 00000000-0000-0000-0000-000000000001 --tenant contoso.example",
	"mocktenant entity create":   `mocktenant entity create remoteAssistancePartners '{"displayName":"TeamViewer"}' --tenant contoso.example`,
	"mocktenant entity update":   `mocktenant entity update remoteAssistancePartners 00000000-0000-0000-0000-000000000001 '{"displayName":"BeyondTrust"}' --tenant contoso.example`,
	"mocktenant entity act":      "mocktenant entity act remoteAssistancePartners 00000000-0000-0000-0000-000000000001 confirm --tenant contoso.example",
	"mocktenant entity delete":   "mocktenant entity delete remoteAssistancePartners 00000000-0000-0000-0000-000000000001 --tenant contoso.example",
	"mocktenant entity versions": "mocktenant entity versions remoteAssistancePartners 00000000-0000-0000-0000-000000000001 --tenant contoso.example",
	"mocktenant entity restore":  "mocktenant entity restore remoteAssistancePartners 00000000-0000-0000-0000-000000000001 1 --tenant contoso.example",

	"mocktenant clock get":   "mocktenant clock get --tenant contoso.example",
	"mocktenant clock set":   "mocktenant clock set --tenant contoso.example --advance 75m",
	"mocktenant clock reset": "mocktenant clock reset --tenant contoso.example",

	"mocktenant scenario list":  "mocktenant scenario list",
	"mocktenant scenario start": "mocktenant scenario start flaky-5xx --tenant contoso.example --seed 7",
	"mocktenant scenario stop":  "mocktenant scenario stop flaky-5xx --tenant contoso.example",

	"mocktenant fault add":    "mocktenant fault add --tenant contoso.example --method POST --path /v1.0/deviceManagement/remoteAssistancePartners --times 1 --status 429 --retry-after 1",
	"mocktenant fault list":   "mocktenant fault list --tenant contoso.example",
	"mocktenant fault update": "mocktenant fault update 00000000-0000-0000-0000-000000000001 --tenant contoso.example --times 3",
	"mocktenant fault remove": "mocktenant fault remove 00000000-0000-0000-0000-000000000001 --tenant contoso.example",

	"mocktenant requests list":  "mocktenant requests list --tenant contoso.example --method POST --follow",
	"mocktenant requests clear": "mocktenant requests clear --tenant contoso.example --status 4xx",
	"mocktenant verify":         "mocktenant verify --tenant contoso.example --method POST --path '*remoteAssistancePartners' --exactly 4",
	"mocktenant wait":           "mocktenant wait --tenant contoso.example --method DELETE --timeout 10s",

	"mocktenant snapshot create":  "mocktenant snapshot create before --tenant contoso.example",
	"mocktenant snapshot list":    "mocktenant snapshot list --tenant contoso.example",
	"mocktenant snapshot restore": "mocktenant snapshot restore before --tenant contoso.example",
	"mocktenant snapshot diff":    "mocktenant snapshot diff before --tenant contoso.example",
	"mocktenant snapshot export":  "mocktenant snapshot export before -f before.yaml --tenant contoso.example",
	"mocktenant snapshot delete":  "mocktenant snapshot delete before --tenant contoso.example",

	"mocktenant seed create": "mocktenant seed create contoso contoso.yaml",
	"mocktenant seed list":   "mocktenant seed list",
	"mocktenant seed export": "mocktenant seed export contoso -f contoso.yaml",
	"mocktenant seed delete": "mocktenant seed delete contoso",

	"mocktenant export": "mocktenant export contoso.example -f contoso.yaml",
	"mocktenant import": "mocktenant import contoso.example contoso.yaml",

	"mocktenant report":              "mocktenant report recent-changes --tenant contoso.example -o csv",
	"mocktenant report-login create": "mocktenant report-login create --tenant contoso.example --label Metabase",
	"mocktenant report-login list":   "mocktenant report-login list",
	"mocktenant report-login rotate": "mocktenant report-login rotate report_login",
	"mocktenant report-login revoke": "mocktenant report-login revoke report_login",

	"mocktenant admin-key create": "mocktenant admin-key create alice --role manager --ttl 30d",
	"mocktenant admin-key list":   "mocktenant admin-key list",
	"mocktenant admin-key show":   "mocktenant admin-key show",
	"mocktenant admin-key revoke": "mocktenant admin-key revoke 00000000-0000-0000-0000-000000000001",

	"mocktenant console-session list": "mocktenant console-session list",
	"mocktenant console-session end":  "mocktenant console-session end 00000000-0000-0000-0000-000000000001",
	"mocktenant audit":                "mocktenant audit --top 20 --tenant contoso.example",
}
