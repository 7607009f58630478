/**
 * Users with hashed passwords, from the configuration or from a file, which is read again when it changes.
 *
 * Neither the duration nor the result of a check reveals whether a name exists. An unknown name is checked against the
 * hash of some other user. A wrong password and an unknown name both resolve with undefined, so the next authenticator
 * is asked.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { parse as parseYaml } from 'yaml';
import { networkOf } from '../../net/ip-address.js';
import { WatchedFile } from '../../net/watched-file.js';
import type { Log } from '../../process/log.js';
import type { Authenticator, Credentials, Principal } from '../auth.js';
import { LoginCache } from './login-cache.js';
import { LoginQueue } from './login-queue.js';
import type { LoginQueueOptions } from './login-queue.js';
import { isPassword, parsePasswordHash } from './password-hash.js';
import type { PasswordHash } from './password-hash.js';
import { userList } from './user-list.js';
import type { UserList } from './user-list.js';

export interface StaticUsersOptions extends LoginQueueOptions {
  /** The list itself; either this or `file` is given. */
  readonly users?: UserListInput | undefined;
  /** A YAML or JSON file with the same list. */
  readonly file?: string | undefined;
  readonly cacheMs: number;
}

type UserListInput = readonly { readonly [K in keyof UserList[number]]: Readonly<UserList[number][K]> }[];

interface User {
  readonly hash: PasswordHash;
  readonly principal: Principal;
}
type Users = ReadonlyMap<string, User>;

const FILE_MAX_BYTES = 8 * 1024 * 1024;

export class StaticUsers implements Authenticator {
  private readonly source: { readonly value: Users; close?(): void };
  private readonly queue: LoginQueue;
  private readonly cache: LoginCache;
  /** Random, so that a client cannot predict the hash that an unknown name is checked against. */
  private readonly decoyKey = randomBytes(32);

  /** Throws an Error that explains why the file cannot be used. */
  constructor(
    options: StaticUsersOptions,
    log: Pick<Log, 'info' | 'warn'>,
    private readonly isRight = isPassword,
  ) {
    const { users = [], file } = options;
    this.queue = new LoginQueue(options);
    this.cache = new LoginCache(options.cacheMs);
    this.source = file === undefined ? { value: usersOf(users) } : this.watch(file, log);
  }

  authenticate({ login, passcode, address }: Credentials): Promise<Principal | undefined> {
    const users = this.source.value;
    if (!login || !passcode || users.size === 0) return Promise.resolve(undefined);
    return this.cache.answer([login, passcode], () =>
      this.queue.run(() => this.check(users, login, passcode), networkOf(address)),
    );
  }

  forget(): void {
    this.cache.clear();
  }

  close(): void {
    this.source.close?.();
  }

  private async check(users: Users, login: string, passcode: string): Promise<Principal | undefined> {
    const user = users.get(login);
    const { hash } = user ?? this.decoy(users, login);
    return (await this.isRight(passcode, hash)) ? user?.principal : undefined;
  }

  /** Returns the same user for the same name each time, as if the name had its own hash. */
  private decoy(users: Users, login: string): User {
    const digest = createHmac('sha256', this.decoyKey).update(login).digest();
    return [...users.values()][digest.readUInt32BE() % users.size] as User;
  }

  private watch(file: string, log: Pick<Log, 'info' | 'warn'>): WatchedFile<Users> {
    return new WatchedFile<Users>({
      paths: [file],
      maxBytes: FILE_MAX_BYTES,
      parse: ([content = Buffer.alloc(0)]) => readUsers(content),
      onChange: () => this.cache.clear(),
      log,
    });
  }
}

/** Throws an Error whose message names options, but quotes nothing else from the content. */
function readUsers(content: Buffer): Users {
  let values: unknown;
  try {
    values = parseYaml(content.toString('utf8'));
  } catch {
    throw new Error('it is neither YAML nor JSON'); // the parser's message would quote the text
  }
  const result = userList.safeParse(values);
  if (result.success) return usersOf(result.data);
  const problems = result.error.issues
    .slice(0, 5)
    .map(({ path, message }) => `${path.join('.') || 'the list'} ${message}`);
  throw new Error(problems.join('; '));
}

function usersOf(list: UserListInput): Users {
  return new Map(
    list.map(({ name, passwordHash, claims }) => [
      name,
      { hash: parsePasswordHash(passwordHash), principal: { name, anonymous: false, claims } },
    ]),
  );
}
