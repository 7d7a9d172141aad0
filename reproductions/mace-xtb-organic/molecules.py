"""The molecules by SMILES: what is trained on, what validates and what is never seen.

Most of them are scaffolds with substituents: ``R`` and ``Q`` in a scaffold stand for the places. Substituents begin with the
atom that is attached and number their rings from 8 on. Every substituent comes about equally often, and no molecule of the
test set is among the others.
"""

# ruff: noqa: SIM905 - lists of words are read most easily as text

from __future__ import annotations

import random

from rdkit import Chem, RDLogger

SMALL = """
[HH] N#N [C-]#[O+] O N C S F Cl FF ClCl FCl O=C=O O=C=S S=C=S C#N N#CC#N OO NN NO SS OCl NCl CO CN CS CF CCl C=O C=N C=S
C(F)(F)F FC(F)F FC(F)(F)F ClCCl ClC(Cl)Cl ClC(Cl)(Cl)Cl FC(F)(Cl)Cl FCCl CC C=C C#C CC=C CC#C C=C=C CCC CC(C)C CCCC
CC(C)(C)C CCCCC CCCCCC CCCCCCC CCCCCCCC CC(C)CC(C)C C=CC=C CC=CC CC(C)=C CC(C)=C(C)C C#CC#C CC#CC CCC#C C=CC#C CC=CC=CC CCO
CCCO CC(C)O CC(C)(C)O OCCO OCC(O)CO CCCCO COC CCOCC COCCOC COCOC OC=C COC=C C=CCO C#CCO CC=O CCC=O CC(C)=O CCC(C)=O C=CC=O
O=CC=O CC(=O)C(C)=O CC(=O)CC(C)=O CC(O)=CC(C)=O OC=O CC(=O)O CCC(=O)O C=CC(=O)O OC(=O)C(=O)O OC(=O)CC(=O)O OCC(=O)O
CC(=O)C(=O)O OC(=O)C=CC(=O)O COC=O COC(C)=O CCOC(C)=O CC(=O)OC(C)=O COC(=O)OC COC(=O)C=C CC(=O)Cl CC(=O)F O=C(Cl)Cl CC(=O)OO
COOC NC=O CNC=O CN(C)C=O CC(N)=O CNC(C)=O CN(C)C(C)=O CC(=O)NC(C)=O NC(N)=O CNC(=O)NC CN(C)C(=O)N(C)C COC(N)=O COC(=O)NC
COC(=O)N(C)C NC(=O)C(N)=O ONC(C)=O CONC(C)=O NNC(C)=O CC(=O)NN CNC CN(C)C CCN CCNCC CCN(CC)CC NCCN NCCO CN(C)CCO CN(C)CCN
C=CCN NCC#N CNN CN(C)N CC=N CC=NC CC(C)=NC CC(C)=NO CC(C)=NN N=C(N)N CNC(N)=N CC(=N)N CN=C(C)N COC(C)=N CN=C=O CN=C=S CN=NC
CN=[N+]=[N-] C=[N+]=[N-] CN=O C[N+](=O)[O-] CC[N+](=O)[O-] CO[N+](=O)[O-] CN[N+](=O)[O-] CN(C)N=O CON=O C[N+](C)(C)[O-]
O[N+](=O)[O-] CC#N CCC#N C=CC#N N#CCC#N CN=C=NC CNC#N COC#N CSC#N [C-]#[N+]C CCS CSC CCSCC CSSC CCSSC C=CS CC(=O)S CC(=O)SC
CSCSC CC(N)=S CN(C)C=S NC(N)=S CNC(=S)NC CC(C)=S CS(C)=O CS(=O)CC CS(C)(=O)=O CS(=O)(=O)CC CS(N)(=O)=O CNS(C)(=O)=O
CN(C)S(C)(=O)=O CS(=O)(=O)O COS(C)(=O)=O CS(=O)(=O)Cl CS(=O)(=O)F O=S=O NS(N)(=O)=O COS(=O)(=O)OC CS(=O)(=O)NC(C)=O
C=CS(C)(=O)=O SCCO NCCS OC(=O)CS CSCC(=O)O CSCCN CSCF FC=C FC(F)=C FC(F)=C(F)F ClC=C ClC(Cl)=C FC#C ClC#C CC(F)F CC(F)(F)F
CCF CCCl CC(C)Cl FC(F)(F)C(=O)O FC(F)(F)CO FC(F)(F)CN ClCCCl FCCF FCCO ClCCO ClCC(=O)O FCC(N)=O FC(F)OC FC(F)(F)OC
FC(F)(F)SC CC(F)(F)C FC(F)C(F)F ClCC=C COCCl FC(F)(F)C#N CC(C)(F)C C1CC1 C1CCC1 C1CCCC1 C1CCCCC1 C1CCCCCC1 C1=CC1 C1=CCC1
C1=CCCC1 C1=CCCCC1 C1=CC=CC1 C1=CCC=CC1 C1CO1 C1CN1 C1CS1 C1COC1 C1CNC1 C1CSC1 C1CCOC1 C1CCNC1 C1CCSC1 C1COCCO1 C1COCO1
C1CNCCN1 C1COCCN1 C1CSCCS1 C1CSCCN1 C1CCSSC1 C1CCOCC1 C1CCNCC1 O=C1CC1 O=C1CCC1 O=C1CCCC1 O=C1CCCCC1 O=C1CCO1 O=C1CCN1
O=C1CCCO1 O=C1CCCN1 O=C1CCCCN1 O=C1NCCN1 O=C1NCCO1 O=C1OCCO1 O=C1CCC(=O)N1 O=C1C=CC(=O)N1 O=C1C=CC(=O)O1 O=C1CNC(=O)N1
O=C1CSC(=O)N1 O=S1(=O)CCCC1 O=S1CCCC1 C1CC2CC2C1 C1CC2CCC1C2 C1CC2CCC1CC2 C1CN2CCC1CC2 C1CC12CC2 C1C2CC1C2 CC1(C)OC1
O=C1C=CC(=O)C=C1 O=C1CCC=C1 O=C1C=COC=C1 O=c1cc[nH]cc1 O=c1cccc[nH]1 O=c1ccocc1 O=c1cccco1 C1CCC2CCCCC2C1 C1C2CC3CC1CC(C2)C3
c1ccccc1 c1ccncc1 c1ccoc1 c1ccsc1 c1cc[nH]c1 c1c[nH]cn1 c1cn[nH]c1 c1cocn1 c1cscn1 c1cnoc1 c1cnsc1 c1ccnnc1 c1cncnc1
c1cnccn1 c1ncncn1 c1c[nH]nn1 c1nc[nH]n1 c1nnn[nH]1 c1nnco1 c1ncon1 c1nncs1 c1ncsn1 c1cnsn1 c1cnon1 c1ccc2ccccc2c1
c1ccc2[nH]ccc2c1 c1ccc2occc2c1 c1ccc2sccc2c1 c1ccc2ncccc2c1 c1ccc2cnccc2c1 c1ccc2nccnc2c1 c1ccc2ncncc2c1 c1ccc2[nH]cnc2c1
c1ccc2scnc2c1 c1ccc2ocnc2c1 c1ccc2[nH]ncc2c1 c1ncc2[nH]cnc2n1 c1cnc2[nH]ccc2c1 c1ccn2ccnc2c1 c1ccn2nccc2c1 C1=CCc2ccccc21
c1ccc2c(c1)CCC2 c1ccc2c(c1)CCCC2 c1ccc2c(c1)CCNC2 c1ccc2c(c1)OCO2 c1ccc2c(c1)OCCO2 c1ccc2c(c1)CCN2 c1ccc2c(c1)CCO2
c1ccc2c(c1)NCCO2 c1ccc2c(c1)[nH]c1ccccc12 c1ccc2cc3ccccc3cc2c1 c1ccc2c(c1)Cc1ccccc1-2 c1ccc2c(c1)Sc1ccccc1N2
O=c1cc[nH]c(=O)[nH]1 Cn1ccc(=O)n(C)c1=O O=c1[nH]cnc2[nH]cnc12 O=c1[nH]c(=O)c2[nH]cnc2[nH]1 Cn1cnc2c1c(=O)[nH]c(=O)[nH]2
Nc1nc2[nH]cnc2c(=O)[nH]1 Cn1cnc2c(N)ncnc21 O=c1ccc2ccccc2[nH]1 O=c1[nH]cnc2ccccc12 O=C1Cc2ccccc2N1 O=C1NC(=O)c2ccccc21
O=C1OCc2ccccc21 O=C1NCc2ccccc21 O=C1NC(=O)C(=O)N1 O=C1CC(=O)NC(=O)N1 O=C1CN=CCN1 O=C1CN=Cc2ccccc2N1 CN1C(=O)CN=Cc2ccccc21
CC1(C)SC2CC(=O)N2C1C(=O)O CC1(C)SCC(C(=O)O)N1 NC1CN(C)C1=O CC1CN(C(C)=O)C1=O O=c1oc2ccccc2cc1O O=C1C=C(O)CO1 [O-][n+]1ccccc1
C[n+]1ccccc1[O-] Cn1cc[nH]c1=S Cn1ccnc1S(C)=O CS(=O)c1nc2ccccc2[nH]1 CS(=O)Cc1ccccn1 OCC1OC(O)CC1O OC1COC(O)C(O)C1
OCC1OCCC1O OCC(O)C=O OCC(=O)CO OCC(O)C(O)CO COC1CCCO1 COC1CCCCO1 OC1CCCCO1 Cn1ccc(=O)[nH]c1=O C1CCOC(n2ccnc2)C1 NCC(=O)O
CC(N)C(=O)O NCC(=O)NCC(=O)O CC(N)C(=O)NC CNCC(=O)O OCC(N)C(=O)O NC(=O)CC(N)C(=O)O CC(C)C(N)C(=O)O O=C(O)C1CCCN1C=O
CC(=O)N1CCCC1C(=O)O CC(=O)N1CCCC1C(N)=O CC(C)CC(N)C(=O)O CCC(C)C(N)C=O NC(Cc1c[nH]cn1)C=O CC(S)C(=O)N(C)C CC(CS)C(=O)O
""".split()

SCAFFOLDS = """
CC(R) CC(C)(R) CCC(R)C CC(C)(C)R C=CR CC=CR C#CCR CC#CR C=CCR CCCCR CC(C)CR OCCR COCCR NCCR CNCCR FCCR ClCCR CSCCR CN(C)CCR
CC(=O)CR COC(=O)CR NC(=O)CR CNC(=O)CR N#CCR CC(=O)NCR CC(=O)NCCR OCC(O)CR CC(O)CR CC(N)CR FC(F)(F)CR FC(F)CR CS(=O)(=O)CR
CC(=O)OCR CSCR CSSCCR C1CC1R C1CCC1R C1CCCC1R C1CCCCC1R C1CC1CR C1CCOC1R C1CCNC1R C1CCSC1R C1CNC1R C1COC1R C1OC1CR C1CC1(C)R
C1CCOCC1R C1CCNCC1R C1CN(C)CCC1R C1CCN(C)C1R C1COCCN1CR C1CCCN1CR C1CN(C)CCN1CR C1=CCCC1R C1=CCCCC1R O=C1CCCC1R O=C1CCCN1CR
O=C1NCCC1R O=C1CC(R)N1 C1CC2CCC1(R)C2 c1ccccc1R c1ccccc1CR c1ccccc1CCR c1ccccc1OCR c1ccccc1C(C)R c1ccc(C)cc1R c1ccc(F)cc1R
c1ccc(Cl)cc1R c1cccc(O)c1R c1cccc(N)c1R c1cccc(OC)c1R c1ccc(C#N)cc1R c1c(F)cc(F)cc1R c1ccc(C(F)(F)F)cc1R c1c(C)cccc1R
c1c(Cl)cccc1R c1cccc2c1cccc2R c1ccc2cc(R)ccc2c1 c1ccncc1R c1cccnc1R c1cc(R)ncc1 c1cc(R)ccn1 c1nc(R)ccc1C c1cnc(R)nc1
c1ncncc1R c1cnc(R)cn1 c1cc(R)nnc1 c1occc1R c1ccoc1R c1sccc1R c1cc(R)sc1 c1c[nH]cc1R c1cc(R)n(C)c1 c1cn(C)cc1R c1nc(R)[nH]c1
c1ncn(C)c1R c1cn(CR)cn1 c1n[nH]cc1R c1cnn(CR)c1 c1c(C)nn(C)c1R c1nc(R)oc1 c1nocc1R Cc1cc(R)on1 Cc1noc(C)c1R c1nc(R)sc1
c1ncsc1R Cc1csc(R)n1 c1nnn(C)c1R c1nc(R)n[nH]1 Cn1nnc(R)n1 Cc1nnc(R)o1 Cc1noc(R)n1 Cc1nnc(R)s1 c1ccc2c(c1)c(R)c[nH]2
c1ccc2c(c1)[nH]cc2CR c1cc2cc(R)[nH]c2cc1 c1ccc2nc(R)[nH]c2c1 c1ccc2nc(R)sc2c1 c1ccc2nc(R)oc2c1 c1ccc2nc(R)ccc2c1
c1ccc2c(R)ccnc2c1 c1ccc2cc(R)oc2c1 c1ccc2cc(R)sc2c1 c1nc(R)nc2[nH]cnc12 c1ncnc2c1ncn2CR O=c1[nH]cc(R)c(=O)[nH]1
Cn1cc(R)c(=O)[nH]c1=O O=c1ccn(CR)cc1 O=c1cc(R)cc[nH]1 c1cc2c(cc1R)OCO2 c1cc2c(cc1R)CCC2 O=c1cc(R)c2ccccc2o1
O=C1NC(=O)C(R)(C)C1 O=C1NC(=O)C(C)(R)N1
""".split()

SUBSTITUENTS = """
C O F Cl N C#N OC C(=O)O NC CO C(N)=O SC [N+](=O)[O-] C(F)(F)F C(C)=O N(C)C C(=O)OC S CC C=O NC(C)=O C=C S(C)(=O)=O CN
C(=O)NC OC(C)=O C#C S(N)(=O)=O C(C)C OC(F)F C8CC8 NC(N)=O C(=O)N(C)C CCl S(C)=O CSC C(F)F OCC NS(C)(=O)=O C(C)(C)O CC#N NC=O
CN(C)C OC(F)(F)F C(=N)N COC N8CCCC8 N8CCOCC8 CC(=O)O C=NO SC(F)F C(=O)Cl OC(N)=O Cl C(=O)CCl CCCl F OCCCl Cl c8ccccc8
c8cccnc8
""".split()

PATTERNS = """
c1cccc(R)c1Q c1ccc(R)cc1Q c1cc(R)ccc1Q c1nc(R)ccc1Q c1ncc(R)cc1Q c1cc(Cl)c(R)cc1Q c1cc(F)c(R)cc1Q c1cc(R)cc(C)c1Q
c1c(Cl)nc(R)cc1Q
""".split()

LINKED = """
O=C(R)NQ O=S(=O)(R)NQ O(R)Q N(R)Q C(R)Q S(R)Q O=C(NR)NQ O=C(R)OQ C(R)NQ C(R)OQ C(R)CQ O=C(R)Q C(R)=CQ N(R)=NQ C(R)=NQ
O=C(OR)NQ CN(R)C(=O)Q OC(R)Q O=C(CR)NQ NC(R)C(=O)NQ CC(R)C(=O)Q CN(CR)CQ O=S(R)CQ O=S(=O)(R)Q C(#CR)Q OC(CNQ)COR O=C(R)CQ
O=C(NR)CSQ C(=NNQ)R CC(NQ)R
""".split()

RINGS = """
c1ccccc1 c1ccncc1 C(C)C c1ccco1 c1ccc(F)cc1 C1CC1 c1cccs1 c1ncccn1 c1ccc(Cl)cc1 C1CCCC1 c1nccs1 c1ccc(OC)cc1 C1CCOCC1
c1cc(C)on1 CC c1cccc(C)c1 c1c[nH]cn1 C1CCCCC1 c1ccc(O)cc1 c1cnn(C)c1 C1CCNCC1 c1ccc(N)cc1 C(C)(C)C c1cccnc1 c1cccc(Cl)c1Cl
""".split()

AMINES = """
N1CCCC1 N1CCCCC1 N1CCOCC1 N1CCN(C)CC1 N1CCSCC1 N(CC)CC N1CCC1 n1ccnc1 n1cccn1 n1cncn1 n1cccc1
""".split()

SIDE_CHAINS = """
[H] C C(C)C CC(C)C C(C)CC CO C(C)O CS CCSC Cc1ccccc1 Cc1ccc(O)cc1 Cc1c[nH]cn1 CC(N)=O CCC(N)=O CC(=O)O CCC(=O)O CCCCN
CCCNC(=N)N
""".split()

DRUGS = {  # never in training; the twenty that dynamics is tried on
    "paracetamol": "CC(=O)Nc1ccc(O)cc1",
    "aspirin": "CC(=O)Oc1ccccc1C(=O)O",
    "ibuprofen": "CC(C)Cc1ccc(cc1)C(C)C(=O)O",
    "caffeine": "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
    "nicotine": "CN1CCCC1c1cccnc1",
    "lidocaine": "CCN(CC)CC(=O)Nc1c(C)cccc1C",
    "diazepam": "CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21",
    "sulfamethoxazole": "Cc1cc(NS(=O)(=O)c2ccc(N)cc2)no1",
    "omeprazole": "COc1ccc2[nH]c(S(=O)Cc3ncc(C)c(OC)c3C)nc2c1",
    "fluoxetine": "CNCCC(Oc1ccc(C(F)(F)F)cc1)c1ccccc1",
    "warfarin": "CC(=O)CC(c1ccccc1)c1c(O)c2ccccc2oc1=O",
    "diclofenac": "OC(=O)Cc1ccccc1Nc1c(Cl)cccc1Cl",
    "metronidazole": "Cc1ncc([N+](=O)[O-])n1CCO",
    "propranolol": "CC(C)NCC(O)COc1cccc2ccccc12",
    "celecoxib": "Cc1ccc(cc1)-c1cc(C(F)(F)F)nn1-c1ccc(cc1)S(N)(=O)=O",
    "penicillin-g": "CC1(C)SC2C(NC(=O)Cc3ccccc3)C(=O)N2C1C(=O)O",
    "melatonin": "COc1ccc2[nH]cc(CCNC(C)=O)c2c1",
    "trimethoprim": "COc1cc(Cc2cnc(N)nc2N)cc(OC)c1OC",
    "fluconazole": "OC(Cn1cncn1)(Cn1cncn1)c1ccc(F)cc1F",
    "captopril": "CC(CS)C(=O)N1CCCC1C(=O)O",
}

UNSEEN = """
CCOC(=O)c1ccc(N)cc1 COc1cc(C=O)ccc1O CC(C)C1CCC(C)CC1O CC1(C)C2CCC1(C)C(=O)C2 CC(=C)C1CCC(C)=CC1 COc1cc(CC=C)ccc1O
O=CC=Cc1ccccc1 O=c1ccc2ccccc2o1 OCC(O)C1OC(=O)C(O)=C1O NC(=O)c1cccnc1 NCCc1ccc(O)c(O)c1 NCCc1c[nH]c2ccc(O)cc12 NCCc1c[nH]cn1
Nc1ncnc2[nH]cnc12 Nc1cc[nH]c(=O)n1 Cc1c[nH]c(=O)[nH]c1=O NC(Cc1ccccc1)C(=O)O CSCCC(N)C(=O)O NC(CS)C(=O)O
O=C1NS(=O)(=O)c2ccccc21 NNC(=O)c1ccncc1 NC(=O)c1cnccn1 CN(C)C(=N)NC(N)=N CC(=O)Nc1nnc(S(N)(=O)=O)s1 Nc1ccc(S(N)(=O)=O)cc1
CC(N)Cc1ccccc1 CNC(C)C(O)c1ccccc1 NC(=O)CN1CCCC1=O NCC1(CC(=O)O)CCCCC1 NCC(CC(=O)O)c1ccc(Cl)cc1 O=c1[nH]c2cc(Cl)ccc2o1
CC(N)COc1c(C)cccc1C O=c1[nH]cc(F)c(=O)[nH]1 FCOC(C(F)(F)F)C(F)(F)F FC(F)OC(Cl)C(F)(F)F O=C(O)CCCCC1CCSS1 COc1ccccc1OCC(O)CO
CCC1(C)CC(=O)NC1=O CCC1(CC)C(=O)NC(=O)NC1=O CCCC(CCC)C(=O)O Cn1cc[nH]c1=S O=c1[nH]cnc2[nH]ncc12 OCC1OC(O)C(O)C(O)C1O
CNC1(c2ccccc2Cl)CCCCC1=O O=C(O)c1ccccc1O
""".split()


def canonical(smiles: str) -> str | None:
    """The one spelling of a molecule without its stereochemistry, or None where a valence is wrong or an electron unpaired."""
    RDLogger.DisableLog("rdApp.*")
    molecule = Chem.MolFromSmiles(smiles)
    if molecule is None or Chem.GetFormalCharge(molecule):
        return None
    if any(atom.GetNumRadicalElectrons() for atom in molecule.GetAtoms()):
        return None
    return Chem.MolToSmiles(molecule, isomericSmiles=False)


def unseen() -> list[str]:
    """Molecules of the test set: the drugs, then smaller ones."""
    return _distinct([*DRUGS.values(), *UNSEEN])


def learned() -> list[str]:
    """Molecules of training and validation, none of them in the test set."""
    test = set(unseen())
    return [each for each in _distinct([*SMALL, *_combined()]) if each not in test]


def divided(seed: int) -> tuple[list[str], list[str]]:
    """The learned ones in any order, for training and, one in thirty, for validation. Water is trained on."""
    order = sorted(learned())
    random.Random(seed).shuffle(order)
    validation = [each for each in order[::30] if each != "O"]
    kept = set(validation)
    return [each for each in order if each not in kept], validation


def _combined() -> list[str]:
    """Scaffolds with substituents. Steps that share no factor with a list's length go round all of it."""
    made, many = [], len(SUBSTITUENTS)
    for number, scaffold in enumerate(SCAFFOLDS):
        for turn in range(11):
            made.append(_filled(scaffold, SUBSTITUENTS[(3 * number + 19 * turn) % many]))
    for number in range(400):
        first, second = SUBSTITUENTS[5 * number % many], SUBSTITUENTS[(7 * number + 2) % many]
        made.append(_filled(PATTERNS[number % len(PATTERNS)], first, second))
    for number in range(16 * len(LINKED)):
        first, second = RINGS[(7 * number) % len(RINGS)], RINGS[(11 * number + number // len(RINGS)) % len(RINGS)]
        made.append(_filled(LINKED[number % len(LINKED)], first, second))
    for number, amine in enumerate(AMINES):
        for turn in range(9):
            linked = ("O=C(R)Q", "C(R)Q", "O=S(=O)(R)Q")[turn % 3]
            made.append(_filled(linked, amine, RINGS[(4 * number + 7 * turn) % len(RINGS)]))
    made += [f"CC(=O)NC({chain})C(=O)NC" for chain in SIDE_CHAINS]
    return made


def _filled(scaffold: str, first: str, second: str = "") -> str:
    """The places of a scaffold filled; a place that nothing follows needs no brackets."""
    whole = scaffold
    for place, part in (("R", first), ("Q", second)):
        at = whole.find(place)
        alone = at == len(whole) - 1 or whole[at - 1 : at + 2] == f"({place})"
        whole = whole.replace(place, part if alone else f"({part})", 1)
    return whole


def _distinct(spelled: list[str]) -> list[str]:
    """Canonical spellings, each once, in order. An impossible molecule of a combination is left out."""
    known = dict.fromkeys(canonical(each) for each in spelled)
    return [each for each in known if each is not None]
