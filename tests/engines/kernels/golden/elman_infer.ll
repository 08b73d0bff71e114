; ModuleID = "kernel"
target triple = "unknown-unknown-unknown"
target datalayout = ""

define void @"run"(ptr %".1", i64 %".2", i64 %".3")
{
.5:
  %".6" = getelementptr i64, ptr %".1", i64 0
  %".7" = load i64, ptr %".6"
  %".8" = getelementptr i64, ptr %".1", i64 1
  %".9" = load i64, ptr %".8"
  %".10" = getelementptr i64, ptr %".1", i64 2
  %".11" = load i64, ptr %".10"
  %".12" = getelementptr i64, ptr %".1", i64 3
  %".13" = load i64, ptr %".12"
  %".14" = getelementptr i64, ptr %".1", i64 4
  %".15" = load i64, ptr %".14"
  %".16" = getelementptr i64, ptr %".1", i64 5
  %".17" = load i64, ptr %".16"
  %".18" = getelementptr i64, ptr %".1", i64 6
  %".19" = load i64, ptr %".18"
  %".20" = getelementptr i64, ptr %".1", i64 7
  %".21" = load i64, ptr %".20"
  %".22" = getelementptr i64, ptr %".1", i64 8
  %".23" = load i64, ptr %".22"
  %".24" = inttoptr i64 %".23" to ptr
  %".25" = getelementptr i64, ptr %".1", i64 9
  %".26" = load i64, ptr %".25"
  %".27" = inttoptr i64 %".26" to ptr
  %".28" = getelementptr i64, ptr %".1", i64 10
  %".29" = load i64, ptr %".28"
  %".30" = inttoptr i64 %".29" to ptr
  %".31" = getelementptr i64, ptr %".1", i64 11
  %".32" = load i64, ptr %".31"
  %".33" = inttoptr i64 %".32" to ptr
  %".34" = getelementptr i64, ptr %".1", i64 12
  %".35" = load i64, ptr %".34"
  %".36" = inttoptr i64 %".35" to ptr
  %".37" = inttoptr i64 %".9" to ptr
  %".38" = inttoptr i64 %".11" to ptr
  br label %"head"
head:
  %".40" = phi  i64 [%".2", %".5"], [%".244", %"end.1"]
  %".41" = icmp slt i64 %".40", %".7"
  br i1 %".41", label %"body", label %"end"
body:
  %".43" = mul i64 %".40", 4
  %".44" = getelementptr i64, ptr %".37", i64 %".43"
  %".45" = load i64, ptr %".44"
  %".46" = mul i64 %".40", 16
  %".47" = add i64 %".45", %".46"
  %".48" = add i64 %".43", 1
  %".49" = getelementptr i64, ptr %".37", i64 %".48"
  %".50" = load i64, ptr %".49"
  %".51" = add i64 %".43", 2
  %".52" = getelementptr i64, ptr %".37", i64 %".51"
  %".53" = load i64, ptr %".52"
  %".54" = inttoptr i64 %".53" to ptr
  br label %"head.1"
end:
  ret void
head.1:
  %".56" = phi  i64 [0, %"body"], [%".242", %"end.3"]
  %".57" = icmp slt i64 %".56", %".50"
  br i1 %".57", label %"body.1", label %"end.1"
body.1:
  %".59" = getelementptr i64, ptr %".54", i64 %".56"
  %".60" = load i64, ptr %".59"
  %".61" = mul i64 %".56", %".13"
  %".62" = and i64 %".56", 1
  %".63" = xor i64 %".62", 1
  %".64" = mul i64 %".62", %".19"
  %".65" = mul i64 %".63", %".19"
  %".66" = mul i64 %".7", 16
  %".67" = add i64 %".19", %".66"
  %".68" = mul i64 0, %".67"
  %".69" = add i64 %".47", %".68"
  %".70" = getelementptr i64, ptr %".36", i64 %".69"
  br label %"head.2"
end.1:
  %".244" = add i64 %".40", %".3"
  br label %"head"
head.2:
  %".72" = phi  i64 [0, %"body.1"], [%".86", %"body.2"]
  %".73" = icmp slt i64 %".72", %".60"
  br i1 %".73", label %"body.2", label %"end.2"
body.2:
  %".75" = add i64 %".45", %".72"
  %".76" = getelementptr i64, ptr %".38", i64 %".75"
  %".77" = load i64, ptr %".76"
  %".78" = add i64 %".77", %".61"
  %".79" = add i64 %".78", %".15"
  %".80" = mul i64 %".79", 5
  %".81" = getelementptr float, ptr %".30", i64 %".80"
  %".82" = getelementptr float, ptr %".81", i64 0
  %".83" = ptrtoint ptr %".82" to i64
  %".84" = getelementptr i64, ptr %".70", i64 %".72"
  store i64 %".83", ptr %".84"
  %".86" = add i64 %".72", 1
  br label %"head.2"
end.2:
  br label %"head.3"
head.3:
  %".89" = phi  i64 [0, %"end.2"], [%".240", %"end.5"]
  %".90" = icmp slt i64 %".89", 1
  br i1 %".90", label %"body.3", label %"end.3"
body.3:
  %".92" = getelementptr i64, ptr %".1", i64 13
  %".93" = load i64, ptr %".92"
  %".94" = inttoptr i64 %".93" to ptr
  %".95" = add i64 %".47", 0
  %".96" = mul i64 %".95", 8
  %".97" = getelementptr float, ptr %".33", i64 %".96"
  br label %"head.4"
end.3:
  %".242" = add i64 %".56", 1
  br label %"head.1"
head.4:
  %".99" = phi  i64 [0, %"body.3"], [%".114", %"body.4"]
  %".100" = icmp slt i64 %".99", 1
  br i1 %".100", label %"body.4", label %"end.4"
body.4:
  %".102" = mul i64 %".89", 2
  %".103" = add i64 %".99", 0
  %".104" = mul i64 %".103", 2
  %".105" = add i64 %".102", %".104"
  %".106" = mul i64 %".105", 20
  %".107" = getelementptr float, ptr %".94", i64 %".106"
  %".108" = mul i64 %".99", 0
  %".109" = add i64 %".108", 0
  %".110" = getelementptr float, ptr %".97", i64 %".109"
  %".111" = mul i64 0, 8
  %".112" = getelementptr float, ptr %".107", i64 %".111"
  call void @"product_f32_4_32_2x1"(ptr %".70", i64 0, i64 %".60", ptr %".110", i64 8, i64 4, i64 0, ptr %".112", i64 5)
  %".114" = add i64 %".99", 1
  br label %"head.4"
end.4:
  %".116" = mul i64 %".89", 2
  %".117" = sub i64 1, %".116"
  %".118" = icmp slt i64 %".117", 2
  %".119" = select  i1 %".118", i64 %".117", i64 2
  br label %"head.5"
head.5:
  %".121" = phi  i64 [0, %"end.4"], [%".238", %"end.6.endif"]
  %".122" = icmp slt i64 %".121", %".60"
  br i1 %".122", label %"body.5", label %"end.5"
body.5:
  %".124" = add i64 %".45", %".121"
  %".125" = getelementptr i64, ptr %".38", i64 %".124"
  %".126" = load i64, ptr %".125"
  %".127" = add i64 %".126", %".61"
  %".128" = mul i64 %".127", 32
  %".129" = getelementptr float, ptr %".27", i64 %".128"
  %".130" = add i64 %".45", %".121"
  %".131" = getelementptr i64, ptr %".38", i64 %".130"
  %".132" = load i64, ptr %".131"
  %".133" = add i64 %".132", %".61"
  %".134" = add i64 %".133", %".17"
  %".135" = mul i64 %".134", 5
  %".136" = getelementptr float, ptr %".30", i64 %".135"
  %".137" = add i64 %".47", %".121"
  %".138" = mul i64 %".137", 8
  %".139" = getelementptr float, ptr %".33", i64 %".138"
  br label %"head.6"
end.5:
  %".240" = add i64 %".89", 1
  br label %"head.3"
head.6:
  %".141" = phi  i64 [0, %"body.5"], [%".189", %"body.6"]
  %".142" = icmp slt i64 %".141", %".119"
  br i1 %".142", label %"body.6", label %"end.6"
body.6:
  %".144" = add i64 %".116", %".141"
  %".145" = mul i64 %".144", 4
  %".146" = getelementptr float, ptr %".129", i64 0
  %".147" = getelementptr float, ptr %".146", i64 %".145"
  %".148" = load <4 x float>, ptr %".147", align 4
  %".149" = mul i64 %".141", 4
  %".150" = add i64 %".149", 0
  %".151" = getelementptr float, ptr %".139", i64 %".150"
  %".152" = load <4 x float>, ptr %".151", align 4
  %".153" = fadd <4 x float> %".148", %".152"
  %".154" = getelementptr float, ptr %".24", i64 0
  %".155" = getelementptr float, ptr %".154", i64 %".145"
  %".156" = load <4 x float>, ptr %".155", align 4
  %".157" = fadd <4 x float> %".153", %".156"
  %".158" = bitcast <4 x float> %".157" to <4 x i32>
  %".159" = or <4 x i32> %".158", <i32 2147483648, i32 2147483648, i32 2147483648, i32 2147483648>
  %".160" = bitcast <4 x i32> %".159" to <4 x float>
  %".161" = fcmp ogt <4 x float> <float 0xc034000000000000, float 0xc034000000000000, float 0xc034000000000000, float 0xc034000000000000>, %".160"
  %".162" = select  <4 x i1> %".161", <4 x float> <float 0xc034000000000000, float 0xc034000000000000, float 0xc034000000000000, float 0xc034000000000000>, <4 x float> %".160"
  %".163" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".162", <4 x float> <float 0x4007154760000000, float 0x4007154760000000, float 0x4007154760000000, float 0x4007154760000000>, <4 x float> <float 0x4168000fe0000000, float 0x4168000fe0000000, float 0x4168000fe0000000, float 0x4168000fe0000000>)
  %".164" = fsub <4 x float> %".163", <float 0x4168000fe0000000, float 0x4168000fe0000000, float 0x4168000fe0000000, float 0x4168000fe0000000>
  %".165" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".164", <4 x float> <float 0xbfd62e4300000000, float 0xbfd62e4300000000, float 0xbfd62e4300000000, float 0xbfd62e4300000000>, <4 x float> %".162")
  %".166" = fmul <4 x float> %".165", %".165"
  %".167" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".165", <4 x float> <float 0x3fe5554b00000000, float 0x3fe5554b00000000, float 0x3fe5554b00000000, float 0x3fe5554b00000000>, <4 x float> <float 0x3fefffffe0000000, float 0x3fefffffe0000000, float 0x3fefffffe0000000, float 0x3fefffffe0000000>)
  %".168" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".165", <4 x float> <float 0x3fc1227b00000000, float 0x3fc1227b00000000, float 0x3fc1227b00000000, float 0x3fc1227b00000000>, <4 x float> <float 0x3fd5556740000000, float 0x3fd5556740000000, float 0x3fd5556740000000, float 0x3fd5556740000000>)
  %".169" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".166", <4 x float> <float 0x3fa6bec100000000, float 0x3fa6bec100000000, float 0x3fa6bec100000000, float 0x3fa6bec100000000>, <4 x float> %".168")
  %".170" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".166", <4 x float> %".169", <4 x float> %".167")
  %".171" = bitcast <4 x float> %".163" to <4 x i32>
  %".172" = shl <4 x i32> %".171", <i32 23, i32 23, i32 23, i32 23>
  %".173" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".166", <4 x float> %".170", <4 x float> %".165")
  %".174" = bitcast <4 x i32> %".172" to <4 x float>
  %".175" = fneg <4 x float> %".174"
  %".176" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".174", <4 x float> <float 0xbfe0000000000000, float 0xbfe0000000000000, float 0xbfe0000000000000, float 0xbfe0000000000000>, <4 x float> <float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000>)
  %".177" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".175", <4 x float> %".173", <4 x float> %".176")
  %".178" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".174", <4 x float> <float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000>, <4 x float> <float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000>)
  %".179" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".174", <4 x float> %".173", <4 x float> %".178")
  %".180" = fdiv <4 x float> %".177", %".179"
  %".181" = bitcast <4 x float> %".180" to <4 x i32>
  %".182" = bitcast <4 x float> %".157" to <4 x i32>
  %".183" = and <4 x i32> %".182", <i32 2147483648, i32 2147483648, i32 2147483648, i32 2147483648>
  %".184" = or <4 x i32> %".181", %".183"
  %".185" = bitcast <4 x i32> %".184" to <4 x float>
  %".186" = getelementptr float, ptr %".136", i64 0
  %".187" = getelementptr float, ptr %".186", i64 %".145"
  store <4 x float> %".185", ptr %".187", align 4
  %".189" = add i64 %".141", 1
  br label %"head.6"
end.6:
  %".191" = icmp eq i64 %".89", 0
  br i1 %".191", label %"end.6.if", label %"end.6.endif"
end.6.if:
  %".193" = mul i64 1, 4
  %".194" = getelementptr float, ptr %".129", i64 0
  %".195" = getelementptr float, ptr %".194", i64 %".193"
  %".196" = call <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".195", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>, <4 x float> <float              0x0, float              0x0, float              0x0, float              0x0>)
  %".197" = mul i64 1, 4
  %".198" = add i64 %".197", 0
  %".199" = getelementptr float, ptr %".139", i64 %".198"
  %".200" = load <4 x float>, ptr %".199", align 4
  %".201" = fadd <4 x float> %".196", %".200"
  %".202" = getelementptr float, ptr %".24", i64 0
  %".203" = getelementptr float, ptr %".202", i64 %".193"
  %".204" = call <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".203", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>, <4 x float> <float              0x0, float              0x0, float              0x0, float              0x0>)
  %".205" = fadd <4 x float> %".201", %".204"
  %".206" = bitcast <4 x float> %".205" to <4 x i32>
  %".207" = or <4 x i32> %".206", <i32 2147483648, i32 2147483648, i32 2147483648, i32 2147483648>
  %".208" = bitcast <4 x i32> %".207" to <4 x float>
  %".209" = fcmp ogt <4 x float> <float 0xc034000000000000, float 0xc034000000000000, float 0xc034000000000000, float 0xc034000000000000>, %".208"
  %".210" = select  <4 x i1> %".209", <4 x float> <float 0xc034000000000000, float 0xc034000000000000, float 0xc034000000000000, float 0xc034000000000000>, <4 x float> %".208"
  %".211" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".210", <4 x float> <float 0x4007154760000000, float 0x4007154760000000, float 0x4007154760000000, float 0x4007154760000000>, <4 x float> <float 0x4168000fe0000000, float 0x4168000fe0000000, float 0x4168000fe0000000, float 0x4168000fe0000000>)
  %".212" = fsub <4 x float> %".211", <float 0x4168000fe0000000, float 0x4168000fe0000000, float 0x4168000fe0000000, float 0x4168000fe0000000>
  %".213" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".212", <4 x float> <float 0xbfd62e4300000000, float 0xbfd62e4300000000, float 0xbfd62e4300000000, float 0xbfd62e4300000000>, <4 x float> %".210")
  %".214" = fmul <4 x float> %".213", %".213"
  %".215" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".213", <4 x float> <float 0x3fe5554b00000000, float 0x3fe5554b00000000, float 0x3fe5554b00000000, float 0x3fe5554b00000000>, <4 x float> <float 0x3fefffffe0000000, float 0x3fefffffe0000000, float 0x3fefffffe0000000, float 0x3fefffffe0000000>)
  %".216" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".213", <4 x float> <float 0x3fc1227b00000000, float 0x3fc1227b00000000, float 0x3fc1227b00000000, float 0x3fc1227b00000000>, <4 x float> <float 0x3fd5556740000000, float 0x3fd5556740000000, float 0x3fd5556740000000, float 0x3fd5556740000000>)
  %".217" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".214", <4 x float> <float 0x3fa6bec100000000, float 0x3fa6bec100000000, float 0x3fa6bec100000000, float 0x3fa6bec100000000>, <4 x float> %".216")
  %".218" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".214", <4 x float> %".217", <4 x float> %".215")
  %".219" = bitcast <4 x float> %".211" to <4 x i32>
  %".220" = shl <4 x i32> %".219", <i32 23, i32 23, i32 23, i32 23>
  %".221" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".214", <4 x float> %".218", <4 x float> %".213")
  %".222" = bitcast <4 x i32> %".220" to <4 x float>
  %".223" = fneg <4 x float> %".222"
  %".224" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".222", <4 x float> <float 0xbfe0000000000000, float 0xbfe0000000000000, float 0xbfe0000000000000, float 0xbfe0000000000000>, <4 x float> <float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000>)
  %".225" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".223", <4 x float> %".221", <4 x float> %".224")
  %".226" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".222", <4 x float> <float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000>, <4 x float> <float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000, float 0x3fe0000000000000>)
  %".227" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".222", <4 x float> %".221", <4 x float> %".226")
  %".228" = fdiv <4 x float> %".225", %".227"
  %".229" = bitcast <4 x float> %".228" to <4 x i32>
  %".230" = bitcast <4 x float> %".205" to <4 x i32>
  %".231" = and <4 x i32> %".230", <i32 2147483648, i32 2147483648, i32 2147483648, i32 2147483648>
  %".232" = or <4 x i32> %".229", %".231"
  %".233" = bitcast <4 x i32> %".232" to <4 x float>
  %".234" = getelementptr float, ptr %".136", i64 0
  %".235" = getelementptr float, ptr %".234", i64 %".193"
  call void @"llvm.masked.store.v4f32.p0"(<4 x float> %".233", ptr %".235", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>)
  br label %"end.6.endif"
end.6.endif:
  %".238" = add i64 %".121", 1
  br label %"head.5"
}

declare void @"product_f32_4_32_2x1"(ptr %".1", i64 %".2", i64 %".3", ptr %".4", i64 %".5", i64 %".6", i64 %".7", ptr %".8", i64 %".9")

declare <4 x float> @"llvm.fma.v4f32"(<4 x float> %".1", <4 x float> %".2", <4 x float> %".3")

declare <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".1", i32 %".2", <4 x i1> %".3", <4 x float> %".4")

declare void @"llvm.masked.store.v4f32.p0"(<4 x float> %".1", ptr %".2", i32 %".3", <4 x i1> %".4")
