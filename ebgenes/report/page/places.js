// Where else a gene is described: links that a reader may follow. The page itself asks no one.

const PLACES = [
  { name: "Ensembl", of: /^ENS[A-Z]*G\d{11}$/, to: (id) => `https://www.ensembl.org/id/${id}` },
  { name: "Ensembl Metazoa", of: /^(FBgn|WBGene)\d+$/, to: (id) => `https://metazoa.ensembl.org/id/${id}` },
  { name: "Ensembl Plants", of: /^AT[1-5MC]G\d{5}$/i, to: (id) => `https://plants.ensembl.org/id/${id}` },
  { name: "NCBI Gene", of: /^\d+$/, to: (id) => `https://www.ncbi.nlm.nih.gov/gene/${id}` },
  { name: "NCBI Gene", of: /^(ENS[A-Z]*G\d{11}|(FBgn|WBGene)\d+|AT[1-5MC]G\d{5})$/i, to: (id) => `https://www.ncbi.nlm.nih.gov/gene/?term=${id}` },
  { name: "UniProt", of: /^(ENS[A-Z]*G\d{11}|(FBgn|WBGene)\d+|AT[1-5MC]G\d{5})$/i, to: (id) => `https://www.uniprot.org/uniprotkb?query=${id}` },
  { name: "UniProt", of: /^\d+$/, to: (id) => `https://www.uniprot.org/uniprotkb?query=xref:geneid-${id}` },
];

/** Links for a gene's id, its version aside; none where the id is of no kind that is known. */
function placesOf(id) {
  const plain = bare(id);
  return PLACES.filter(({ of }) => of.test(plain)).map(({ name, to }) =>
    element("a", { href: to(plain), target: "_blank", rel: "noopener noreferrer" }, name));
}
