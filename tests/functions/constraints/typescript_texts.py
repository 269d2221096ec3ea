"""TypeScript as `prettier` writes it, which the grammar must accept; and what it must refuse, each with one fault."""

ACCEPTED = r"""
const x = 1_000.5e-3;
---
const x: Map<string, Array<number>> = new Map<string, Array<number>>();
---
let x: number, y!: string;
---
const {
    a,
    b: { c = 1 },
    [k]: d,
    ...rest
  } = f<T>(x),
  [e, , g = 2, ...h] = y;
---
x ??= a ? b : (c ?? d);
---
const x = a
  ? // one
    /* two */ b
  : // three
    c;
---
type A<T> = T extends B
  ? // one
    C
  : D;
---
function f(
  a?, // one
  b?: number,
  // two
  c?,
) {}
---
const f = (
  a?,
  b?,
) => a;
---
[a[0], b.c] = [b, a];
---
({ a, b } = c);
---
x = { a, b: 1, "c-d": 2, [e]: 3, ...f, g() {}, async *i() {} };
---
f(`a${b + `c${d}`}e$1`, "\u{1f600}", 'say "x"');
---
x.match(/^(?:[a-z/]+|\/\*)$/giu)?.[0]!.length;
---
const x = (a < b && c > d) || (!(e instanceof F) && "g" in h);
---
const x = y as unknown as readonly T[];
---
const x = [1, 2] as const satisfies readonly number[];
---
type = 3;
---
const f = async <T extends object = {}>(
  { a, b = 1 }: P<T>,
  ...c: T[]
): Promise<T> => ({ a });
---
const f = (x: unknown): x is string => typeof x === "string";
---
const f = function* () {
  const x = yield* g();
  yield x;
};
---
for (const [k, v] of Object.entries(x))
  if (v) f();
  else g();
---
for (let i = 0, n = a.length; i < n; i++) {}
---
for (;;) {}
---
do {
  x--;
} while (x > 0);
---
switch (x) {
  case "a":
  case "b": {
    break;
  }
  default:
    f();
}
---
try {
  f();
} catch {
  // nothing
} finally {
  g();
}
---
async function f() {
  for await (const x of y) await x;
}
---
function f(x: any): asserts x is T {}
---
function f(this: Window, x?: number, y = 1): void;
---
class A<T> extends B<T> implements D, E<F> {
  private readonly #a: T = 1;
  static b?: U;

  constructor(public x: T) {
    super(x);
  }

  get c(): T {
    return this.#a;
  }
}
---
abstract class A {
  protected abstract a(): void;
  @dec() override async b<T>() {}
}
---
interface A extends B, C<D> {
  readonly a?: string;
  (x: T): U;
  new (x: T): U;
  [key: string]: unknown;
  m<T>(x: T): void;
}
---
type A =
  | { kind: "a"; x: number }
  | { kind: "b"; y?: [a: string, b?: number, ...rest: T[]] };
---
type A<T> = T extends (...args: infer P) => infer R
  ? [P, R]
  : T extends `a${infer S}`
    ? S
    : never;
---
type A<T> = { readonly [K in keyof T as `get${K}`]-?: () => T[K] };
---
enum A {
  B = 1,
  C = "c",
}
---
import a, { type B, c as d } from "./e";
import * as f from "g";
---
export type { A };
export * as b from "c";
export default class {}
---
declare global {
  interface Window {}
}
---
// a
/** b
 * c
 */
export const x = 1; // d

// e
const y = 2;
---
const x =
  a &&
  // why
  b
    ? f(
        c, // d
        e,
      )
    : g.h();
---
export function groupBy<T, K extends PropertyKey>(
  items: Iterable<T>,
  keyOf: (item: T, index: number) => K,
): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  let index = 0;
  for (const item of items) {
    const key = keyOf(item, index++);
    const group = groups.get(key);
    if (group) {
      group.push(item);
    } else {
      groups.set(key, [item]);
    }
  }
  return groups;
}
---
export async function retry<T>(
  attempt: () => Promise<T>,
  { times = 3, delay = 100 }: { times?: number; delay?: number } = {},
): Promise<T> {
  let failure: unknown;
  for (let n = 0; n < times; n += 1) {
    try {
      return await attempt();
    } catch (error: unknown) {
      failure = error;
      await new Promise((resolve) => setTimeout(resolve, delay * 2 ** n));
    }
  }
  throw failure instanceof Error ? failure : new Error(String(failure));
}
---
const debounce = <A extends unknown[]>(
  run: (...args: A) => void,
  wait: number,
) => {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return (...args: A): void => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...args), wait);
  };
};
---
function parseQuery(text: string): Record<string, string | string[]> {
  const result: Record<string, string | string[]> = Object.create(null);
  for (const pair of text.replace(/^\?/, "").split("&")) {
    if (!pair) continue;
    const [name, value = ""] = pair.split("=").map(decodeURIComponent);
    const before = result[name!];
    result[name!] =
      before === undefined
        ? value
        : Array.isArray(before)
          ? [...before, value]
          : [before, value];
  }
  return result;
}
---
function reducer(state: State = initial, action: Action): State {
  switch (action.type) {
    case "added":
      return { ...state, items: [...state.items, action.item] };
    case "removed": {
      const { [action.id]: _removed, ...rest } = state.byId;
      return {
        ...state,
        byId: rest,
        items: state.items.filter((item) => item.id !== action.id),
      };
    }
    default:
      return state;
  }
}
---
class Emitter<Events extends Record<string, unknown[]>> {
  private readonly listeners = new Map<keyof Events, Set<Function>>();

  on<E extends keyof Events>(
    event: E,
    listener: (...args: Events[E]) => void,
  ): () => void {
    const all = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, all.add(listener));
    return () => void all.delete(listener);
  }

  emit<E extends keyof Events>(event: E, ...args: Events[E]): boolean {
    const all = this.listeners.get(event);
    all?.forEach((listener) => listener.apply(this, args));
    return !!all?.size;
  }
}
---
const total = orders
  .filter(({ status }) => status === "paid" || status === "shipped")
  .flatMap((order) => order.lines)
  .reduce((sum, { price, quantity }) => sum + price * quantity, 0);
---
function* walk<T>(root: Tree<T>): Generator<T, void, undefined> {
  const waiting: Tree<T>[] = [root];
  while (waiting.length > 0) {
    const { value, children } = waiting.pop()!;
    yield value;
    waiting.push(...children);
  }
}
"""

REFUSED = r"""
const x;
---
const x = 1
---
let let = 1;
---
x = 1 2;
---
x = {a: 1};
---
{ a: 1 };
---
function () {}
---
function f(
  a? // one
) {}
---
a ?? b || c;
---
-a ** b;
---
a?.b = 1;
---
f() = 1;
---
break;
---
continue;
---
return 1;
---
function f() {
  await x;
}
---
function f() {
  yield x;
}
---
const f = async (x = await y) => x;
---
for (const x = 1 of y) {}
---
for (let x = "a" in b; ; ) {}
---
x = "\8";
---
x = "a
b";
---
x = 0b12;
---
x = 1.toString();
---
x = /a/gg;
---
x = /(/;
---
x = `a${b`;
---
/* a
---
class A {
  constructor() {
    super();
  }
}
---
class A {
  abstract a(): void;
}
---
function f() {
  super.x();
}
---
f(...a b);
---
if (x) const y = 1;
---
throw;
---
try {}
---
new.target;
---
x.#y;
---
type A = B
---
interface A {
  x: string
}
---
type string = 1;
---
const eval = 1;
---
undefined = 1;
---
function f(...a, b) {}
---
enum A {
  B C,
}
---
import { a } from b;
---
x = () => { a: 1, b: 2 };
---
let x: A<<T>() => T>;
"""


def texts(table: str) -> list[str]:
    """One for each part between lines of three dashes."""
    return table.strip("\n").split("\n---\n")
