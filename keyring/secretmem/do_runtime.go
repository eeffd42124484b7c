//go:build goexperiment.runtimesecret

package secretmem

import "runtime/secret"

// erases says whether Do leaves nothing behind.
const erases = true

// Do calls f, and erases what f left on the stack and in registers before it returns; what f allocated is erased when the
// garbage collector frees it. f should therefore allocate little, and write what outlives it into memory of the caller.
func Do(f func()) { secret.Do(f) }
