// A single-page application; the server puts its config into the page.
import { PublicClientApplication } from "@azure/msal-browser";

window.app = new PublicClientApplication(window.config);
window.ready = window.app.initialize().then(() => window.app.handleRedirectPromise());
