package admin

import (
	"context"
	"errors"
	"reflect"

	"github.com/go-json-experiment/json"

	"github.com/mocktenant/mocktenant/internal/state"
)

// operations has what each operation of the contract does, by its operationId. A new
// one is described in api/openapi.yaml, gets a line here, and a function.
//
// A query reads. A write makes a change, in one transaction: with the lock of the path's
// tenant, an entry in the audit log and, for an Idempotency-Key, the answer that is kept.
// Both take the body and the parameters of path and query as one struct, bound by their
// names.
var operations = map[string]operation{
	"getOpenAPI":     serve(getOpenAPI),
	"getStateSchema": serve(getStateSchema),
	"getMetrics":     serve(getMetrics),
	"listProfiles":   serve(listProfiles),
	"getProfile":     serve(getProfile),

	"listTenants":  query(listTenants),
	"createTenant": write(createTenant, prepareTenant).with(documentInBody),
	"getTenant":    query(getTenant),
	"updateTenant": write(updateTenant, checkTenantUpdate),
	"deleteTenant": write(deleteTenant),
	"resetTenant":  write(resetTenant, amongCopies),
	"issueToken":   write(issueToken),
	"checkToken":   query(checkToken),
	"getClock":     query(getClock),
	"setClock":     write(setClock),
	"resetClock":   write(resetClock),
	"listFaults":   query(listFaults),
	"createFault":  write(createFault, checkFault),
	"updateFault":  write(updateFault),
	"deleteFault":  write(deleteFault),

	"listScenarios": query(listScenarios),
	"startScenario": write(startScenario),
	"stopScenario":  write(stopScenario),

	"listRequests":         query(listRequests),
	"clearRequests":        write(clearRequests),
	"verifyRequests":       query(verifyRequests),
	"listServiceRequests":  query(listServiceRequests),
	"clearServiceRequests": write(clearServiceRequests),

	"listUsers":     query(listUsers),
	"createUser":    write(createUser, hashPassword),
	"getUser":       query(getUser),
	"updateUser":    write(updateUser, checkUserUpdate),
	"deleteUser":    write(deleteUser),
	"revokeSignIns": write(revokeSignIns),

	"listApplications":             query(listApplications),
	"createApplication":            write(createApplication),
	"getApplication":               query(getApplication),
	"updateApplication":            write(updateApplication),
	"deleteApplication":            write(deleteApplication),
	"createApplicationSecret":      write(createApplicationSecret),
	"deleteApplicationSecret":      write(deleteApplicationSecret),
	"createApplicationCertificate": write(createApplicationCertificate, readCertificate),
	"deleteApplicationCertificate": write(deleteApplicationCertificate),
	"createFederatedCredential":    write(createFederatedCredential, checkFederatedCredential),
	"deleteFederatedCredential":    write(deleteFederatedCredential),
	"grantConsent":                 write(grantConsent),
	"removeConsent":                write(removeConsent),

	"listEntities":         query(listEntities),
	"createEntity":         write(createEntity),
	"getEntity":            query(getEntity),
	"updateEntity":         write(updateEntity),
	"deleteEntity":         write(deleteEntity),
	"actOnEntity":          write(actOnEntity),
	"listEntityVersions":   query(listEntityVersions),
	"restoreEntityVersion": write(restoreEntityVersion),

	"exportTenant":    serve(exportTenant).with(documentAsAnswer),
	"importTenant":    write(importTenant, amongTransfers).with(documentAsBody),
	"listSnapshots":   query(listSnapshots),
	"createSnapshot":  write(createSnapshot, amongCopies),
	"getSnapshot":     query(getSnapshot),
	"deleteSnapshot":  write(deleteSnapshot),
	"restoreSnapshot": write(restoreSnapshot, amongCopies),
	"exportSnapshot":  serve(exportSnapshot).with(documentAsAnswer),
	"diffStates":      query(diffStates),
	"listSeeds":       query(listSeeds),
	"createSeed":      write(createSeed, amongTransfers).with(documentAsBody),
	"getSeed":         query(getSeed),
	"deleteSeed":      write(deleteSeed),
	"exportSeed":      serve(exportSeed).with(documentAsAnswer),

	"listReports":       query(listReports),
	"runReport":         query(runReport),
	"listReportLogins":  query(listReportLogins),
	"createReportLogin": write(createReportLogin),
	"revokeReportLogin": write(revokeReportLogin, shutOut),
	"rotateReportLogin": write(rotateReportLogin, shutOut),

	"listKeys":  query(listKeys),
	"createKey": write(createKey),
	"revokeKey": write(revokeKey),
	"whoAmI":    query(whoAmI),
	"listAudit": query(listAudit),

	"listConsoleSessions": query(listConsoleSessions),
	"endConsoleSession":   write(endConsoleSession),
}

// operation is one operation of the contract.
type operation struct {
	run            func(*call) (answer, error)
	takes, answers reflect.Type // structs; nil if it writes its answer itself
	changes        bool
	document       place
}

// place says where an operation has a state document.
type place int

const (
	noDocument       place = iota
	documentAsBody         // checked by its reader instead of the contract
	documentInBody         // optional
	documentAsAnswer       // first written to the call's document
)

func (o operation) with(p place) operation {
	o.document = p
	return o
}

// none is the input of an operation that needs only its tenant, and the output of one
// without a result.
type none = struct{}

// query is an operation that reads.
func query[R, T any](f func(context.Context, *call, R) (T, error)) operation {
	return operation{takes: reflect.TypeFor[R](), answers: reflect.TypeFor[T](), run: func(x *call) (answer, error) {
		r, err := bind[R](x)
		if err != nil {
			return answer{}, err
		}
		result, err := f(x.Request.Context(), x, r)
		return x.op.answer(result), err
	}}
}

// write is an operation that changes something. prepare runs before the transaction, where
// nothing is locked.
func write[R, T any](f func(context.Context, *change, R) (T, error), before ...func(context.Context, *call, *R) error) operation {
	return operation{takes: reflect.TypeFor[R](), answers: reflect.TypeFor[T](), changes: true, run: func(x *call) (answer, error) {
		r, err := bind[R](x)
		if err != nil {
			return answer{}, err
		}
		ctx := x.Request.Context()
		for _, step := range before {
			if err := step(ctx, x, &r); err != nil {
				return answer{}, err
			}
		}
		return x.change(ctx, func(ctx context.Context, c *change) (answer, error) {
			result, err := f(ctx, c, r)
			return x.op.answer(result), err
		})
	}}
}

// serve is an operation that writes its own answer.
func serve[R any](f func(context.Context, *call, R) error) operation {
	return operation{takes: reflect.TypeFor[R](), run: func(x *call) (answer, error) {
		r, err := bind[R](x)
		if err != nil {
			return answer{}, err
		}
		return answer{}, f(x.Request.Context(), x, r)
	}}
}

// bind reads an operation's input from the body and the parameters, which the contract has
// checked.
func bind[R any](x *call) (r R, err error) {
	if x.op.schema != nil {
		if err := json.Unmarshal(x.body, &r); err != nil {
			return r, x.misread(err)
		}
	}
	text, err := json.Marshal(x.parameters)
	if err == nil {
		err = json.Unmarshal(text, &r, json.MatchCaseInsensitiveNames(true))
	}
	if err != nil {
		return r, errBadRequest("The parameters: %v", err)
	}
	return r, nil
}

// misread returns where a body can't be read.
func (x *call) misread(err error) error {
	var semantic *json.SemanticError
	if !errors.As(err, &semantic) {
		return errBadRequest("The body: %v", err)
	}
	p := errBadRequest("%s: %v", semantic.JSONPointer, semantic.Err)
	p.pointer = string(semantic.JSONPointer)
	p.line = state.LineOf(x.body, p.pointer)
	return p
}
