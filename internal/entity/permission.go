package entity

import "slices"

// The families of permissions that lead to Intune's sets.
const (
	serviceConfig  = "DeviceManagementServiceConfig"
	configuration  = "DeviceManagementConfiguration"
	managedDevices = "DeviceManagementManagedDevices"
	rbac           = "DeviceManagementRBAC"
	apps           = "DeviceManagementApps"
)

// readers are the permissions of families that let a caller read, in the order in which
// error texts name them.
func readers(families ...string) (all []string) {
	for _, f := range families {
		all = append(all, f+".Read.All", f+".ReadWrite.All")
	}
	return all
}

// writers are those that let a caller write.
func writers(families ...string) (all []string) {
	for _, f := range families {
		all = append(all, f+".ReadWrite.All")
	}
	return all
}

// Permissions lists the permissions that of returns for any entity, each once.
func Permissions(of func(*Type) []string) (all []string) {
	for _, t := range All {
		for _, p := range of(t) {
			if !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	return all
}
