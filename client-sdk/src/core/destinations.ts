/**
 * Destinations and their data, as the application declares them:
 *
 *   interface Destinations {
 *     '/topic/data': Row;
 *     [prices: `/topic/prices.${string}`]: Price;
 *   }
 *   const client = createClient<Destinations>({ url });
 *
 * or once for the client and the React hooks:
 *
 *   declare module 'stomp-relay-client' {
 *     interface Register { destinations: Destinations }
 *   }
 *
 * If nothing is declared, every destination is allowed, and its data are `unknown` until the caller names a type.
 */

/** For the application to extend. */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type
export interface Register {}

// eslint-disable-next-line @typescript-eslint/no-empty-object-type
export type RegisteredDestinations = Register extends { destinations: infer D extends object } ? D : {};

/** The declared destinations. */
export type Declared<D> = keyof D & string;

/** Any string if no destination is declared; otherwise no string. */
export type Undeclared<D> = [keyof D] extends [never] ? string : never;
