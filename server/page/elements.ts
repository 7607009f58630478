/** The elements of index.html that the page's code touches. */
function byId<T extends HTMLElement>(id: string, kind: new () => T): T {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`index.html has no ${kind.name} with the id ${id}`);
  return element;
}

export const elements = {
  badge: byId('badge', HTMLElement),
  error: byId('error', HTMLElement),
  errorCode: byId('error-code', HTMLElement),
  errorText: byId('error-text', HTMLElement),
  errorDismiss: byId('error-dismiss', HTMLButtonElement),
  connectForm: byId('connect-form', HTMLFormElement),
  url: byId('url', HTMLInputElement),
  login: byId('login', HTMLInputElement),
  passcode: byId('passcode', HTMLInputElement),
  connect: byId('connect', HTMLButtonElement),
  subscribeForm: byId('subscribe-form', HTMLFormElement),
  subscribeFields: byId('subscribe-fields', HTMLFieldSetElement),
  subscribeDestination: byId('subscribe-destination', HTMLInputElement),
  subscriptions: byId('subscriptions', HTMLElement),
  sendForm: byId('send-form', HTMLFormElement),
  sendFields: byId('send-fields', HTMLFieldSetElement),
  sendDestination: byId('send-destination', HTMLInputElement),
  text: byId('text', HTMLTextAreaElement),
  sent: byId('sent', HTMLElement),
  count: byId('count', HTMLElement),
  clear: byId('clear', HTMLButtonElement),
  empty: byId('empty', HTMLElement),
  messages: byId('messages', HTMLElement),
};

/** An element with text, never with markup: what clients send is shown, not run. */
export function make(tag: string, text: string, className = ''): HTMLElement {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className !== '') element.className = className;
  return element;
}
