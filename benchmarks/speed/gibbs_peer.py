"""NUTS of NumPyro on the mixture with its components integrated out; run by gibbs.py in an environment of its own.

python gibbs_peer.py likelihood.npz draws.npz WARMUP DRAWS
"""

from __future__ import annotations

import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import MCMC, NUTS

jax.config.update("jax_enable_x64", True)


def model(likelihood: jnp.ndarray) -> None:
    """P(null) uniform, slabs' shares Dirichlet(1); likelihood (G, K), rows up to a factor."""
    n_slabs = likelihood.shape[1] - 1
    pi0 = numpyro.sample("pi0", dist.Uniform(0.0, 1.0))
    share = numpyro.sample("share", dist.Dirichlet(jnp.ones(n_slabs)))
    weight = jnp.concatenate([pi0[None], (1 - pi0) * share])
    numpyro.factor("loglik", jnp.sum(jnp.log(likelihood @ weight)))


def main() -> None:
    source, target, warmup, draws = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    likelihood = jnp.asarray(np.load(source)["likelihood"])
    sampler = MCMC(NUTS(model), num_warmup=warmup, num_samples=draws, num_chains=1, progress_bar=False)
    # Compiling is not counted, for it or for us.
    sampler.warmup(jax.random.PRNGKey(0), likelihood)
    start = time.process_time()
    sampler.run(jax.random.PRNGKey(1), likelihood)
    found = {name: np.asarray(values) for name, values in sampler.get_samples().items()}
    spent = time.process_time() - start
    weight = np.column_stack([found["pi0"], (1 - found["pi0"])[:, None] * found["share"]])
    np.savez(target, weight=weight, cpu_s=spent)


if __name__ == "__main__":
    main()
