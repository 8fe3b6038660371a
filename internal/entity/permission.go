package entity

import "slices"

// Families of permissions for Intune's sets.
const (
	serviceConfig  = "DeviceManagementServiceConfig"
	configuration  = "DeviceManagementConfiguration"
	managedDevices = "DeviceManagementManagedDevices"
	rbac           = "DeviceManagementRBAC"
	apps           = "DeviceManagementApps"
)

// readers returns the permissions of families that let a caller read, in the order of error
// texts.
func readers(families ...string) (all []string) {
	for _, f := range families {
		all = append(all, f+".Read.All", f+".ReadWrite.All")
	}
	return all
}

// writers returns the permissions of families that let a caller write.
func writers(families ...string) (all []string) {
	for _, f := range families {
		all = append(all, f+".ReadWrite.All")
	}
	return all
}

// Permissions lists the permissions that of returns for any entity, each once.
func Permissions(of func(*Type) []string) (all []string) {
	for _, t := range Served {
		for _, p := range of(t) {
			if !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	return all
}
