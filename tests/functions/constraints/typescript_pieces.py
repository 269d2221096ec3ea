"""What TypeScript is written with, for random walks."""

from tests.functions.constraints.random_walks import Pieces, pieces

_STATEMENTS = """
if (¦if (x) ¦if (x) {¦else {¦else if (y) {¦for (const x of y) {¦for (const k in o) {¦for (let i = 0; i < n; i++) {¦for (;;) {
for (let [a, b] of c) ¦for await (const x of y) {¦for (const ¦for (let i = ¦for (i = 0, j = 1; ¦while (¦while (true) {¦do {
try {¦switch (x) {¦case 1:¦case "a": {¦default:¦break;¦continue;¦return;¦return ¦return (¦throw new Error("x");¦throw ¦debugger;
const x = ¦const x: T = ¦const { a, b: c = 1, ...d } = ¦const [a, , b = 2, ...c] = ¦let x;¦let x: number;¦let x!: T;¦var x = 1, y = 
x = ¦x += ¦a.b = ¦a[0] = ¦[a, b] = ¦({ a, b } = c);¦x++;¦--x;¦delete a.b;¦await ¦yield ¦yield* ¦await x;¦yield;¦yield* f();
function f(¦function f<T>(a: T, b?: U, ...c: V[]): W {¦async function f() {¦function* g() {¦async function* h() {¦function f(this: T, x = 1) {
function f(x: any): x is T {¦function f(x: any): asserts x is T {¦function f(a: T): void;
class C {¦class D<T> extends B<T> implements I, J {¦abstract class A {¦class C extends f(x)<T> {¦@dec¦@dec(1)
constructor() {¦constructor(private readonly x: T, y = 1) {¦super(x);¦super.m();¦private x = 1;¦static readonly y: T = ¦#p = 1;¦declare x: T;
m() {¦async m(): Promise<T> {¦*g() {¦async *g() {¦get x(): T {¦set x(v: T) {¦abstract m(): void;¦abstract x: T;¦m(): void;¦[k]: T;¦"a b" = 1;
type T = ¦type T<A, B extends C = D> = ¦type T =\\n    | A¦interface I {¦interface I<T> extends J, K<T> {¦enum E {¦const enum E {¦A,¦B = 1,¦x: T;¦readonly x?: T;
new (x: T): U;¦[key: string]: T;¦[K in keyof T]?: T[K];¦-readonly [K in T as U]-?: V;¦(x: T): U;¦m<T>(x: T): U;
import x from "y";¦import { a as b, type c } from "d";¦import * as n from "m";¦import type { T } from "t";¦export { a as b };¦export * from "x";
export default ¦export const x = ¦export type { T };¦declare const x: T;¦declare global {¦namespace N {¦// comment¦/* comment */¦/** doc */
"""
_EXPRESSIONS = """
x¦y.z¦f(¦f()¦f(x, ...y)¦f<T>(x)¦(¦[¦{¦[]¦{}¦{ a¦{ a: ¦{ a, b: 1, ...c }¦{ [k]: v }¦{ "x": 1 }¦{ m() {¦{ get x() {¦{ async *m() {¦[a, ...b]
(x) => ¦() => ¦() => {¦(x: T, y = 1): U => ¦async () => ¦async (x) => {¦<T>(x: T) => ¦({ a, b }) => ¦([a, b]: T) => ¦(x): x is T => 
function () {¦function* () {¦async function f() {¦class {¦class extends B {¦new X()¦new a.B<T>(x)¦new (f())()¦this¦this.#p¦super.x¦import("x")¦new.target
1¦1.5¦0x1f¦10n¦1e5¦"s"¦'say "x"'¦"\\u{1f600}"¦`t`¦`a${¦`${x}b`¦`$x`¦f`x`¦/a(b|c)*[/]d+?/g¦/\\//¦true¦false¦null¦undefined¦any
!¦-¦+¦~¦typeof ¦void ¦delete a.b¦await x¦yield x¦(yield)¦(await x)¦<T>x¦x!¦x?.y¦x?.[0]¦x?.(y)¦x++¦x as T¦x as const¦x satisfies T¦(x = 1)¦(x, y)
A | B¦A & B¦A[]¦A["b"]¦[A, b?: B, ...C[]]¦() => void¦(x: A) => B¦new () => T¦keyof T¦typeof x¦infer U¦unique symbol¦readonly T[]¦{ a: T; b?: U }
T extends U ? V : W¦T extends (infer U)[] ? U : never¦"a"¦-1¦`a${T}`¦import("x").T¦Map<K, V>¦{ [K in T]: U }¦{ [k: string]: T }¦{ (x: T): U }¦T extends (x: infer U) => any ? 
"""
_CONTINUATIONS = """
.a¦.b()¦?.c¦(¦)¦[¦]¦{¦}¦ }¦{ ¦, ¦,¦: ¦:¦;¦ = ¦ += ¦ ??= ¦ === ¦ == ¦ < ¦ > ¦ << ¦ in ¦ instanceof ¦ && ¦ || ¦ ?? ¦ + ¦ - ¦ * ¦ / ¦ % ¦ ** ¦ & ¦ | ¦ ^ 
 ? ¦ : ¦? ¦ => ¦ => {¦ as ¦ as const¦ satisfies ¦ extends ¦ implements ¦ is ¦ of ¦ in ¦!¦++¦--¦?¦?: ¦<¦<T>¦<A, B>¦>¦`¦${¦$¦"¦'¦/¦/g¦ text ¦\\\\n¦\\\\u0041
; // c¦, // c¦ {¦ else ¦ else {¦ catch (e) {¦ catch {¦ finally {¦ while (x);¦, ...¦...¦async ¦new ¦type ¦static ¦get ¦readonly ¦public ¦ from "x"
 &&\\n    ¦ =\\n    ¦\\n    .a()¦\\n    ? ¦\\n    : ¦\\n    | ¦,\\n    ¦\\n    // c\\n    ¦(\\n    ¦{\\n    ¦[\\n    ¦ =>\\n    
"""
_CLOSING = """
"¦'¦`¦*/¦/¦)¦]¦}¦)¦]¦}¦>¦;¦;¦ }¦);¦};¦]);¦: x¦ = x¦ : x¦ => x¦x¦(¦0¦{}¦ {}¦() {}¦;\\n    ¦\\n}¦\\n    }¦x;¦1;¦ x;¦ of x)¦ T¦T¦: T¦ from "x"¦ catch {}¦ finally {}¦,\\n    }¦\\n    )
"""
_CLAUSES = ["}", "})", "});", "];", ")", "else {}", "break;", "case x:", "return;", "x;", "? x : y"]


def typescript_pieces() -> Pieces:
    """TypeScript's, with indentation up to four levels."""
    breaks = ["\n" + "  " * level for level in range(5)]
    starts = pieces(_STATEMENTS, "¦")
    lines = [b + s for b in breaks for s in starts] + [" {" + b + s for b in breaks[1:] for s in starts]
    inner = pieces(_EXPRESSIONS, "¦") * 2 + pieces(_CONTINUATIONS, "¦") * 2 + breaks
    closing = pieces(_CLOSING, "¦") * 4 + [b + clause for b in breaks for clause in _CLAUSES]
    return Pieces(starts, lines, inner, closing)
