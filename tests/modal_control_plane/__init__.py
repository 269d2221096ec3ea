"""Modal's control plane on loopback, for the real `modal` client, 1.6.4: what a deployment asks for is recorded.

It is a stand-in, and does not: build images, place containers on GPUs or in regions, take or restore snapshots, bill,
authenticate, or keep anything. A call that it does not know answers UNIMPLEMENTED, which fails the test.
"""
