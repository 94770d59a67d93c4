/* Entry of the desk's own scripts. Everything listens on the document, so parts that htmx swaps in just work. */
import "./ages.js";
import "./attachments.js";
import "./composer.js";
import "./dialogs.js";
import "./errors.js";
import "./keys.js";
import "./live.js";
import "./lines.js";
import "./preferences.js";
import "./tabs.js";
import "./toasts.js";
import "./tuning.js";
import "./typing.js";
import "./upload.js";
