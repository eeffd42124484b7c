// Package secretmem is where keys are while they are in memory, and how they are used without leaving copies behind.
//
// A Buffer lies outside the Go heap, so that the garbage collector neither moves nor copies it; it is locked (never swapped),
// left out of core dumps and not inherited by children, and is wiped before it goes back to the system.
//
// What is computed from a key inside Do leaves nothing on the stack, in registers or, after the next two garbage collections,
// on the heap. That needs a toolchain with GOEXPERIMENT=runtimesecret; without it Do only calls. Supported tells which.
package secretmem
