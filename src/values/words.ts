/** The words of random names: lower case letters only. */
export const adjectives: readonly string[] =
  `able agile airy alert amber ample apt artful astute avid balmy bold brave breezy bright brisk calm candid careful
  cheery civil clean clear clever cosmic cosy crisp curious daring deft direct eager early earnest easy even exact fair
  fast fertile fine firm fluent fond frank free fresh frugal gallant gentle genial glad golden grand green handy hardy
  hearty honest humble ideal jaunty jolly jovial keen kind level light limber lively local loyal lucid lucky mellow merry
  mild mighty modest neat nimble noble open patient plucky polite prime prompt proper proud prudent pure quick quiet
  rapid ready robust rosy round salty sane serene sharp silver simple sincere sleek smart smooth snug sober solid sound
  spry stable steady stout subtle sunny sure swift tidy tough tranquil trusty upbeat urban usable valiant vast
  vital vivid warm wise witty worthy young zesty`.split(/\s+/)

/** People who measured, calculated, built or connected things. */
export const surnames: readonly string[] =
  `abel airy ampere baran bardeen bassi bayes beaufort bell bernoulli berners bode bohr boole born bose boyle brahe
  braille brunel cannon cantor carnot carson cassini cauchy cayley celsius cerf chandra clausius codd cohn cooper copernicus
  coulomb curie dalton darwin davies davy descartes dijkstra diophantus dirac doppler dyson edison ekman erlang euclid euler
  fahrenheit faraday fermat fermi fibonacci floyd foucault fourier franklin fraunhofer fresnel galilei galois galvani gauss
  germain gibbs godel goldberg gray haber halley hamilton hamming heaviside helmholtz henry hero herschel hertz hilbert hoare
  hooke hopper hubble huffman huygens hypatia jacobi jansky joule kahn kelvin kepler kilby kirchhoff kleinrock kolmogorov
  kovalevskaya lagrange lamarr laplace lavoisier leavitt legendre leibniz liebig linnaeus lister lorentz lovelace mach marconi
  markov maxwell meitner mendel mendeleev mercator mitchell mobius moore morse napier nash nernst newton noether nyquist oersted
  ohm oresme pascal pasteur pauli payne peano pearson perlman planck poincare poisson postel ptolemy pythagoras raman ramanujan
  rayleigh riemann ritchie rontgen rutherford sagan shannon shockley siemens snell somerville stibitz stokes swan tesla thales
  thompson torricelli turing venn volta wallace watt weber wegener weierstrass wheatstone wien wiener wilkes wirth wright wu
  yalow young yukawa zeeman zuse`.split(/\s+/)
