// Signs in by device code with MSAL, and returns the token's result and what letIn answered.
// MSAL doesn't wait for its callback. So this does: a callback that is still reading a page when
// its token arrives would outlive the test, and its failure would count as the whole file's.
export async function signInByDevice(app, scopes, letIn) {
  let letting, result, said;
  const request = { scopes, deviceCodeCallback: (device) => {
    letting = letIn(device);
    letting.catch(() => { request.cancel = true; }); // or MSAL would ask for 15 minutes
  } };
  try {
    result = await app.acquireTokenByDeviceCode(request);
  } finally {
    said = await letting;
  }
  return { result, said };
}
